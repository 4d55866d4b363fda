// kafkajs consumers as Memberships: group members, and readers that are alone in a group of their own.
'use strict';

const { TIMES } = require('../javascript/driver');
const { Membership } = require('../javascript/membership');
const { range } = require('./range');

// A fetch that waits longer would delay the heartbeat: kafkajs sends it between fetches.
const MAX_WAIT_MS = 200;

class Consumer extends Membership {
  constructor(kafka, retry, group, options) {
    super();
    this.topic = options.topic;
    this.reset = options.reset ?? 'earliest';
    // The commit of the run that gave the last batch; see commit().
    this.commitOfRun = null;
    // Of a reader: where it must go on, by partition.
    this.next = null;
    // What it had when a rebalance began, until that is over.
    this.suspended = null;
    this.consumer = kafka.consumer({
      groupId: group,
      partitionAssigners: [range],
      sessionTimeout: options.session ?? TIMES.session,
      rebalanceTimeout: TIMES.rebalance,
      heartbeatInterval: TIMES.heartbeat,
      maxWaitTimeInMs: options.maxWait ?? MAX_WAIT_MS,
      ...(options.maxBytes && { maxBytes: options.maxBytes, maxBytesPerPartition: options.maxBytes }),
      allowAutoTopicCreation: false,
      retry,
    });
    this.listen();
  }

  listen() {
    const { consumer } = this;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      this.suspended = null;
      this.lose();
      this.assigned(Object.entries(memberAssignment).flatMap(([topic, partitions]) => partitions.map(partition => ({ topic, partition }))));
      // A reader commits nothing, so only it knows where it was when it has to join again.
      this.next?.forEach((offset, partition) => this.seek(partition, offset));
    });
    consumer.on(consumer.events.REBALANCING, async () => {
      // Not awaited by kafkajs, but the commit is on its way before the request to join again.
      const committing = this.beforeRevoke?.();
      this.suspended ??= { owned: this.owned, positions: new Map(this.positions) };
      this.lose();
      await committing;
    });
    consumer.on(consumer.events.HEARTBEAT, () => this.resume());
    consumer.on(consumer.events.STOP, () => {
      this.suspended = null;
      this.lose();
    });
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      this.suspended = null;
      this.lose();
      if (!restart) {
        this.failed(error);
      }
    });
  }

  lose() {
    if (this.owned.length > 0) {
      this.revoked(this.owned);
    }
  }

  /** A member that was told to join again may find, after a restart of the broker, that it still belongs to the generation that it
   * had: kafkajs then goes on with the old assignment and says nothing. A heartbeat that is accepted, or a batch, shows it. */
  resume() {
    if (this.suspended) {
      const { owned, positions } = this.suspended;
      this.suspended = null;
      this.assigned(owned);
      positions.forEach((position, key) => this.positions.set(key, position));
    }
  }

  /** Joins and reads; `starts`, a Map, are the only partitions taken and the offsets from which they are read. */
  async start(starts) {
    await this.consumer.connect();
    await this.consumer.subscribe({ topics: [this.topic], fromBeginning: this.reset === 'earliest' });
    this.next = starts && new Map([...starts].filter(([, offset]) => typeof offset === 'number'));
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: payload => this.eachBatch(payload, starts),
    });
  }

  async eachBatch({ batch, resolveOffset, heartbeat, isRunning, isStale, commitOffsetsIfNecessary }, starts) {
    const { topic, partition } = batch;
    this.commitOfRun = commitOffsetsIfNecessary;
    this.resume();
    for (const message of batch.messages) {
      if (!isRunning() || isStale()) {
        return;
      }
      if (!starts || starts.has(partition)) {
        this.took(recordOf(topic, partition, message));
        this.next?.set(partition, Number(message.offset) + 1);
      }
      resolveOffset(message.offset);
    }
    await heartbeat();
  }

  seek(partition, offset) {
    this.consumer.seek({ topic: this.topic, partition, offset: String(offset) });
  }

  /** Commits as a member of the present generation, once: consumer.commitOffsets() would try again after a rebalance, when the
   * offsets are another member's. */
  async commit(offsets) {
    const topics = new Map();
    for (const { topic, partition, offset, metadata = null } of offsets) {
      topics.set(topic, [...(topics.get(topic) ?? []), { partition, offset: String(offset), metadata }]);
    }
    if (!this.commitOfRun) {
      throw new Error('nothing was read yet');
    }
    await this.commitOfRun({ topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) });
    this.emit('committed', offsets);
  }

  async leave() {
    await this.consumer.disconnect();
  }

  async close() {
    await this.leave();
  }
}

function recordOf(topic, partition, message) {
  const headers = Object.entries(message.headers ?? {}).flatMap(([name, value]) => [value].flat().map(one => [name, one]));
  return {
    topic, partition, offset: Number(message.offset), key: message.key, value: message.value, headers, timestamp: Number(message.timestamp),
  };
}

module.exports = { Consumer };
