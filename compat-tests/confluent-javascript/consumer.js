// Consumers of the callback API as Memberships: group members, and readers of assigned partitions without a group of their own.
'use strict';

const { KafkaConsumer, CODES } = require('@confluentinc/kafka-javascript');

const { TIMES } = require('../javascript/driver');
const { WAIT_MS, within } = require('../javascript/expect');
const { Membership } = require('../javascript/membership');
const { called } = require('./called');

const { ERRORS } = CODES;
// How many records one call may return, and how long it waits for the first of them.
const BATCH = 500;
const CONSUME_MS = 100;
// How often a member looks for new topics, for subscriptions by pattern.
const METADATA_MS = 1000;

class Consumer extends Membership {
  constructor(bootstrap, group, options) {
    super();
    this.topic = options.topic;
    this.closing = false;
    this.consumer = new KafkaConsumer({
      'bootstrap.servers': bootstrap,
      'client.id': options.clientId ?? 'confluent-javascript',
      'group.id': group,
      ...(options.instanceId && { 'group.instance.id': options.instanceId }),
      'partition.assignment.strategy': options.cooperative ? 'cooperative-sticky' : 'range',
      'session.timeout.ms': options.session ?? TIMES.session,
      'heartbeat.interval.ms': TIMES.heartbeat,
      'max.poll.interval.ms': Math.max(TIMES.rebalance, options.session ?? 0),
      'enable.auto.commit': false,
      'topic.metadata.refresh.interval.ms': METADATA_MS,
      'fetch.wait.max.ms': options.maxWait ?? CONSUME_MS,
      ...(options.maxWait && { 'socket.timeout.ms': options.maxWait + 10_000 }),
      ...(options.maxBytes && {
        'fetch.max.bytes': options.maxBytes, 'message.max.bytes': options.maxBytes, 'max.partition.fetch.bytes': options.maxBytes,
      }),
      'reconnect.backoff.max.ms': 500,
      rebalance_cb: (error, partitions) => this.rebalance(error, partitions),
    }, { 'auto.offset.reset': options.reset ?? 'earliest' });
    this.consumer.setDefaultConsumeTimeout(CONSUME_MS);
    this.consumer.setDefaultIsTimeoutOnlyForFirstMessage(true);
    this.consumer.on('event.error', error => {
      if (error.isFatal || error.code === ERRORS.ERR__FATAL) {
        this.failed(error);
      }
    });
  }

  /** Joins the group by `topics`, names or patterns. */
  async join(topics) {
    await called(done => this.consumer.connect({}, done));
    this.consumer.subscribe(topics);
    this.reading = this.read_on();
  }

  /** Reads the partitions of the Map `starts`, in no group. */
  async assign(starts) {
    await called(done => this.consumer.connect({}, done));
    const places = { earliest: -2, latest: -1 };
    const partitions = [...starts].map(([partition, offset]) => ({ topic: this.topic, partition, offset: places[offset] ?? offset }));
    this.consumer.assign(partitions);
    this.assigned(partitions);
    this.reading = this.read_on();
  }

  async read_on() {
    while (!this.closing && !this.error) {
      // An error of one round, such as a lost connection, is cured by librdkafka itself; a final one comes as an event.
      const messages = await called(done => this.consumer.consume(BATCH, done)).catch(() => []);
      messages.forEach(message => this.took(recordOf(message)));
    }
  }

  async rebalance(error, partitions) {
    const { consumer } = this;
    const cooperative = consumer.rebalanceProtocol() === 'COOPERATIVE';
    const list = partitions.map(({ topic, partition }) => ({ topic, partition }));
    if (error.code === ERRORS.ERR__ASSIGN_PARTITIONS) {
      this.quietly(() => (cooperative ? consumer.incrementalAssign(partitions) : consumer.assign(partitions)));
      this.assigned(list, cooperative);
      return;
    }
    if (!consumer.assignmentLost()) {
      await this.beforeRevoke?.();
    }
    this.quietly(() => (cooperative ? consumer.incrementalUnassign(partitions) : consumer.unassign()));
    this.revoked(list);
  }

  /** What librdkafka refuses because it is already closing is over anyway. */
  quietly(step) {
    try {
      step();
    } catch (error) {
      if (!this.closing) {
        this.failed(error);
      }
    }
  }

  async seek(partition, offset) {
    await called(done => this.consumer.seek({ topic: this.topic, partition, offset }, WAIT_MS, done));
  }

  async commit(offsets) {
    await within(called(done => this.consumer.commitCb(offsets, done)), 'the commit');
    this.emit('committed', offsets);
  }

  async leave() {
    if (this.closing) {
      return;
    }
    this.closing = true;
    await this.reading;
    await within(called(done => this.consumer.disconnect(done)), 'the end of the consumer');
  }

  async close() {
    await this.leave();
  }
}

function recordOf({ topic, partition, offset, key, value, headers, timestamp }) {
  const pairs = (headers ?? []).flatMap(header => Object.entries(header));
  return { topic, partition, offset, key: key ?? null, value, headers: pairs, timestamp };
}

module.exports = { Consumer };
