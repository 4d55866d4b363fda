// @confluentinc/kafka-javascript as the Driver that the shared features need, by its callback API, the only one that assigns
// partitions and tells of rebalances: its admin and producer; its consumers are in consumer.js.
'use strict';

const {
  AdminClient, ConsumerGroupStates, HighLevelProducer, KafkaConsumer, OffsetSpec, librdkafkaVersion,
} = require('@confluentinc/kafka-javascript');
const { version } = require('@confluentinc/kafka-javascript/package.json');

const { Driver } = require('../javascript/driver');
const { within } = require('../javascript/expect');
const { called } = require('./called');
const { Consumer } = require('./consumer');

const ANSWER_MS = 10_000;
const STATES = new Map([
  [ConsumerGroupStates.EMPTY, 'Empty'],
  [ConsumerGroupStates.STABLE, 'Stable'],
  [ConsumerGroupStates.DEAD, 'Dead'],
]);

class ConfluentDriver extends Driver {
  constructor() {
    super('confluent-javascript', `${version} (librdkafka ${librdkafkaVersion})`);
    this.readers = 0;
    this.onlookers = new Map();
  }

  /** What every client is told, and `more`. */
  settings(more = {}) {
    return { 'bootstrap.servers': this.bootstrap, 'client.id': this.family, 'reconnect.backoff.max.ms': 500, ...more };
  }

  /** The connected admin, the same for all calls. */
  get admin() {
    if (!this.created) {
      this.created = AdminClient.create(this.settings());
      this.opened(async () => this.created.disconnect());
    }
    return this.created;
  }

  async describeCluster() {
    const producer = await this.connected({});
    const { brokers } = await called(done => producer.getMetadata({ timeout: ANSWER_MS }, done));
    return { brokers };
  }

  async createTopic(topic, partitions, configs = {}) {
    const wanted = { topic, num_partitions: partitions, replication_factor: this.nodes.length, config: configs };
    await called(done => this.admin.createTopic(wanted, ANSWER_MS, done));
  }

  async describeTopic(name) {
    const [topic] = await called(done => this.admin.describeTopics([name], { timeout: ANSWER_MS }, done));
    throwErrorOf(topic);
    const shown = ({ partition, leader, isr }) => ({ partition, leader: leader?.id, isr: isr.map(one => one.id) });
    return { partitions: topic.partitions.map(shown) };
  }

  async deleteTopic(name) {
    await called(done => this.admin.deleteTopic(name, ANSWER_MS, done));
  }

  async createPartitions(topic, count) {
    await called(done => this.admin.createPartitions(topic, count, ANSWER_MS, done));
  }

  async deleteRecords(topic, partition, offset) {
    const options = { timeout: ANSWER_MS, operationTimeout: ANSWER_MS };
    const [deleted] = await called(done => this.admin.deleteRecords([{ topic, partition, offset }], options, done));
    throwErrorOf(deleted);
  }

  async listOffsets(topic, partitions, offset) {
    const wanted = partitions.map(partition => ({ topic, partition, offset }));
    const listed = await called(done => this.admin.listOffsets(wanted, { timeout: ANSWER_MS }, done));
    listed.forEach(throwErrorOf);
    return listed.sort((a, b) => a.partition - b.partition);
  }

  async offsets(topic) {
    const partitions = (await this.describeTopic(topic)).partitions.map(one => one.partition);
    const lows = await this.listOffsets(topic, partitions, OffsetSpec.EARLIEST);
    const highs = await this.listOffsets(topic, partitions, OffsetSpec.LATEST);
    return lows.map(({ offset }, n) => ({ low: offset, high: highs[n].offset }));
  }

  async offsetAt(topic, partition, millis) {
    const [found] = await this.listOffsets(topic, [partition], new OffsetSpec(millis));
    return found.offset >= 0 ? found.offset : (await this.offsets(topic))[partition].high;
  }

  async maxTimestamp(topic, partition) {
    const [{ offset, timestamp }] = await this.listOffsets(topic, [partition], OffsetSpec.MAX_TIMESTAMP);
    return { offset, timestamp };
  }

  /** A producer that is connected, with these settings more. */
  async connected(settings) {
    const producer = new HighLevelProducer(this.settings({ 'linger.ms': 5, ...settings }));
    // Lost connections are reported here too, and cured by librdkafka itself.
    producer.on('event.error', () => {});
    await called(done => producer.connect({}, done));
    producer.close = this.opened(once(() => within(called(done => producer.disconnect(done)), 'the end of the producer')));
    return producer;
  }

  async producer({ codec = 'none', acks = -1, idempotent = false, autoCreate = false } = {}) {
    const producer = await this.connected({
      'compression.codec': codec,
      'request.required.acks': acks,
      'enable.idempotence': idempotent,
      'allow.auto.create.topics': autoCreate,
      // The broker shall refuse what is too large, not the client.
      'message.max.bytes': 8_000_000,
    });
    const one = (topic, { partition = null, key = null, value, headers = [], timestamp = null }) => called(done => {
      producer.produce(topic, partition, present(value), present(key), timestamp, headers.map(([name, text]) => ({ [name]: text })), done);
    });
    return { send: (topic, records) => Promise.all(records.map(record => one(topic, record))), close: producer.close };
  }

  async reader(topic, starts, options = {}) {
    this.readers += 1;
    const reader = new Consumer(this.bootstrap, `${topic}-reader-${this.readers}`, { ...options, topic });
    reader.close = this.opened(() => reader.leave());
    await reader.assign(starts);
    return reader;
  }

  async join({ group, topic, pattern, ...options }, prepare) {
    const member = new Consumer(this.bootstrap, group, { ...options, topic });
    const leave = member.leave.bind(member);
    member.leave = this.opened(leave);
    prepare?.(member);
    await member.join([topic ?? new RegExp(pattern)]);
    return member;
  }

  /** By a consumer of that group that never joins it: the admin's ListConsumerGroupOffsets ends the process if the coordinator moves
   * away meanwhile, as it does in a restart (librdkafka 2.15.1 then wants the consumer group of a client that has none). */
  async committed(group, topic) {
    const consumer = await this.onlooker(group);
    const partitions = (await this.describeTopic(topic)).partitions.map(({ partition }) => ({ topic, partition }));
    const found = await called(done => consumer.committed(partitions, ANSWER_MS, done));
    found.forEach(throwErrorOf);
    const offsets = found.map(({ partition, offset, metadata }) => {
      const committed = offset >= 0 ? offset : -1; // librdkafka has a number of its own for no offset
      return { partition, offset: committed, metadata: metadata ?? '' };
    });
    return offsets.sort((a, b) => a.partition - b.partition);
  }

  async onlooker(group) {
    if (!this.onlookers.has(group)) {
      const consumer = new KafkaConsumer(this.settings({ 'group.id': group }), {});
      consumer.on('event.error', () => {});
      this.onlookers.set(group, consumer);
      await called(done => consumer.connect({}, done));
      this.opened(() => within(called(done => consumer.disconnect(done)), 'the end of the onlooker'));
    }
    return this.onlookers.get(group);
  }

  async listGroups() {
    const { groups } = await called(done => this.admin.listGroups({ timeout: ANSWER_MS }, done));
    return new Map(groups.map(({ groupId, protocolType }) => [groupId, protocolType]));
  }

  async describeGroup(group) {
    const { groups: [described] } = await called(done => this.admin.describeGroups([group], { timeout: ANSWER_MS }, done));
    throwErrorOf(described);
    const members = described.members.map(({ clientId, assignment }) => ({ clientId, partitions: assignment.topicPartitions }));
    const state = STATES.get(described.state) ?? `state ${described.state}`;
    return { state, protocolType: described.protocolType, protocol: described.partitionAssignor, members };
  }

  async deleteGroup(group) {
    const [deleted] = await called(done => this.admin.deleteGroups([group], { timeout: ANSWER_MS }, done));
    if (deleted.errorCode) {
      throw Object.assign(new Error(`deletion of ${group}: ${deleted.error?.message}`), { code: deleted.errorCode });
    }
  }
}

/** The library takes a Buffer without any memory for null; an empty part of another has some. */
function present(bytes) {
  return bytes?.length === 0 ? Buffer.alloc(1).subarray(0, 0) : bytes;
}

/** The library answers for each thing asked with the thing or an error within it. */
function throwErrorOf(answer) {
  if (answer.error && answer.error.code !== 0) {
    throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
  }
}

/** A close that may be called twice. */
function once(close) {
  let closing;
  return () => (closing ??= close());
}

module.exports = { ConfluentDriver };
