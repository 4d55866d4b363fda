// What the features need of a client library, and what every driver shares: names, topics that are really there, full reads.
'use strict';

const { ensure, eventually, same } = require('./expect');

// What every member uses; the broker's initial rebalance delay is 100 ms.
const TIMES = { session: 6000, heartbeat: 500, rebalance: 10_000 };

/**
 * One client library, connected where and when it must be. A record is {topic, partition, offset, key, value, headers, timestamp}:
 * offsets and timestamps are numbers, keys and values Buffers or null, headers [name, Buffer] pairs.
 *
 * A family's driver has, besides what stands here:
 * - `version`: of the library
 * - `createTopic(name, partitions, configs)`, `deleteTopic(name)`, `createPartitions(name, count)`, `deleteRecords(topic, partition,
 *   offset)`
 * - `describeTopic(name)`: {partitions: [{partition, leader, isr}]}, asked anew each time
 * - `describeCluster()`: {brokers: [{id, host, port}]}, with `controller` and `clusterId` if the client can tell
 * - `offsets(topic)`: {low, high} by partition, an array; `offsetAt(topic, partition, millis)`: the first offset not before that
 *   time, or the end
 * - `producer({codec, acks, idempotent, autoCreate, retries})`: {send(topic, records), close()}; `send` resolves when all are acknowledged
 * - `reader(topic, starts, {reset, maxBytes, maxWait})`: a Membership with `seek(partition, offset)` and `close()` that reads the
 *   partitions of the Map `starts` from its offsets, numbers or 'earliest' or 'latest', in no group that anybody else is in
 * - `join({group, topic | pattern, clientId, instanceId, cooperative, session}, prepare)`: a Membership with `commit([{topic,
 *   partition, offset, metadata}])` and `leave()`, given to `prepare` before it starts; it goes on by itself after every error that
 *   is not final and commits nothing by itself. When partitions are taken from it, it first calls `beforeRevoke()` if that is set.
 * - `committed(group, topic)`: [{partition, offset, metadata}] of what is committed, in order
 * - `listGroups()`: protocol type by group, a Map; `describeGroup(group)`: {state, protocolType, protocol, members: [{clientId,
 *   partitions}]}, `deleteGroup(group)`, `alterOffsets(group, topic, offsets)`
 */
class Driver {
  constructor(family, version) {
    this.family = family;
    this.version = version;
    this.bootstrap = process.env.BOOTSTRAP;
    ensure(this.bootstrap, 'BOOTSTRAP is not set');
    // Of the nodes 1, 2, ... of the broker; a topic has a replica on each.
    this.addresses = this.bootstrap.split(',');
    this.nodes = this.addresses.map((_, at) => at + 1);
    this.open = new Set();
  }

  /** A name that no other feature, family or run uses. */
  name(feature) {
    return `${this.family}-${feature}-${process.env.RUN_ID ?? '0'}`;
  }

  /** Remembers what must be closed in the end; `close` must be safe to call twice. */
  opened(close) {
    this.open.add(close);
    return async () => {
      this.open.delete(close);
      await close();
    };
  }

  async closeAll() {
    const closing = [...this.open].map(close => close());
    this.open.clear();
    await Promise.allSettled(closing);
  }

  /** Creates a topic for one feature, waits until it is shown with its partitions, and returns its name. */
  async topic(feature, partitions = 1, configs = {}) {
    const name = this.name(feature);
    await this.createTopic(name, partitions, configs);
    await this.hasPartitions(name, partitions);
    return name;
  }

  /** Waits until all partitions are shown and their leaders answer, which may be a little later. */
  async hasPartitions(topic, count) {
    await eventually(async () => {
      same(count, (await this.describeTopic(topic)).partitions.length, `partitions of ${topic}`);
      same(count, (await this.offsets(topic)).length, `partitions of ${topic} whose leader answers`);
    });
  }

  /** Sends records by a producer of its own. */
  async produce(topic, records, options = {}) {
    const producer = await this.producer(options);
    try {
      await producer.send(topic, records);
    } finally {
      await producer.close();
    }
  }

  /** Sends the numbers from (inclusive) to (exclusive) as text to one partition. */
  async produceNumbers(topic, partition, from, to) {
    await this.produce(topic, numbers(from, to).map(value => ({ partition, value })));
  }

  /** Everything from the log start to the end of now, or from `starts`, a Map of offsets by partition. */
  async readAll(topic, starts, options = {}) {
    const offsets = await this.offsets(topic);
    const from = starts ?? new Map(offsets.map((_, partition) => [partition, 'earliest']));
    const left = new Map();
    for (const [partition, start] of from) {
      const { low, high } = offsets[partition];
      const first = typeof start === 'number' ? Math.max(start, low) : low;
      if (first < high) {
        left.set(partition, high);
      }
    }
    if (left.size === 0) {
      return [];
    }
    const reader = await this.reader(topic, from, options);
    try {
      await eventually(() => {
        for (const record of reader.records) {
          if (record.offset + 1 >= left.get(record.partition)) {
            left.delete(record.partition);
          }
        }
        reader.works(`the reader of ${topic}`);
        same([], [...left.keys()], `partitions of ${topic} not read to their end after ${reader.records.length} records`);
      });
      return [...reader.records];
    } finally {
      await reader.close();
    }
  }
}

/** The numbers from (inclusive) to (exclusive) as values. */
function numbers(from, to) {
  return Array.from({ length: to - from }, (_, n) => Buffer.from(String(from + n)));
}

/** The value as a number. */
function number(record) {
  return Number(record.value.toString());
}

module.exports = { Driver, TIMES, number, numbers };
