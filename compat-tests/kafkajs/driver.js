// kafkajs as the Driver that the shared features need: its admin and producer; its consumers are in consumer.js.
'use strict';

const { AssignerProtocol: { MemberAssignment }, ConfigResourceTypes, Kafka, Partitioners, logLevel } = require('kafkajs');
const { version } = require('kafkajs/package.json');

const { Driver } = require('../javascript/driver');
const codecs = require('./codecs');
const { Consumer } = require('./consumer');

// Producers and consumers go on through a restart of the broker; the admin says soon that something is refused.
const PATIENT = { initialRetryTime: 100, maxRetryTime: 500, retries: 120 };
const HASTY = { initialRetryTime: 50, retries: 3 };

codecs.install();

class KafkaJsDriver extends Driver {
  constructor() {
    super('kafkajs', version);
    this.kafka = this.client(this.family);
    this.readers = 0;
  }

  client(clientId) {
    return new Kafka({ clientId, brokers: this.addresses, logLevel: logLevel.NOTHING, retry: PATIENT });
  }

  /** The connected admin, the same for all calls. */
  async admin() {
    this.connecting ??= (async () => {
      const admin = this.kafka.admin({ retry: HASTY });
      await admin.connect();
      this.opened(() => admin.disconnect());
      return admin;
    })();
    return this.connecting;
  }

  async describeCluster() {
    const { brokers, controller, clusterId } = await (await this.admin()).describeCluster();
    return { brokers: brokers.map(({ nodeId, host, port }) => ({ id: nodeId, host, port })), controller, clusterId };
  }

  async createTopic(topic, numPartitions, configs = {}) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const created = await (await this.admin()).createTopics({ topics: [{ topic, numPartitions, replicationFactor: this.nodes.length, configEntries }] });
    if (!created) {
      // kafkajs turns this one refusal into `false`.
      throw Object.assign(new Error('the topic exists'), { code: 36 });
    }
  }

  async describeTopic(name) {
    const { topics: [topic] } = await (await this.admin()).fetchTopicMetadata({ topics: [name] });
    return { partitions: topic.partitions.map(({ partitionId, leader, isr }) => ({ partition: partitionId, leader, isr })) };
  }

  async deleteTopic(name) {
    await (await this.admin()).deleteTopics({ topics: [name] });
  }

  async createPartitions(topic, count) {
    await (await this.admin()).createPartitions({ topicPartitions: [{ topic, count }] });
  }

  async deleteRecords(topic, partition, offset) {
    await (await this.admin()).deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] });
  }

  async configs(topic) {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic }];
    const { resources: [described] } = await (await this.admin()).describeConfigs({ resources, includeSynonyms: false });
    return new Map(described.configEntries.map(entry => [entry.configName, entry]));
  }

  async brokerConfigs() {
    const resources = [{ type: ConfigResourceTypes.BROKER, name: '1' }];
    const { resources: [described] } = await (await this.admin()).describeConfigs({ resources, includeSynonyms: false });
    return described.configEntries;
  }

  async alterConfigs(topic, configs) {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await (await this.admin()).alterConfigs({ validateOnly: false, resources });
  }

  async offsets(topic) {
    const listed = await (await this.admin()).fetchTopicOffsets(topic);
    const offsets = [];
    listed.forEach(({ partition, low, high }) => { offsets[partition] = { low: Number(low), high: Number(high) }; });
    return offsets;
  }

  async offsetAt(topic, partition, millis) {
    const listed = await (await this.admin()).fetchTopicOffsetsByTimestamp(topic, millis);
    return Number(listed.find(one => one.partition === partition).offset);
  }

  async producer({ codec = 'none', acks = -1, idempotent = false, autoCreate = false } = {}) {
    const producer = this.kafka.producer({
      idempotent, allowAutoTopicCreation: autoCreate, createPartitioner: Partitioners.DefaultPartitioner, retry: PATIENT,
    });
    await producer.connect();
    const close = this.opened(() => producer.disconnect());
    const send = async (topic, records) => {
      for (const some of byPartition(records)) {
        await producer.send({ topic, acks, compression: codecs.TYPES[codec], messages: some.map(messageOf) });
      }
    };
    return { send, close };
  }

  async reader(topic, starts, options = {}) {
    this.readers += 1;
    const latest = [...starts.values()].includes('latest');
    const reset = latest ? 'latest' : 'earliest';
    const reader = new Consumer(this.kafka, PATIENT, `${topic}-reader-${this.readers}`, { ...options, topic, reset });
    reader.close = this.opened(() => reader.leave());
    await reader.start(starts);
    return reader;
  }

  async join({ group, topic, clientId, session }, prepare) {
    const member = new Consumer(clientId ? this.client(clientId) : this.kafka, PATIENT, group, { topic, session });
    const leave = member.leave.bind(member);
    member.leave = this.opened(leave);
    prepare?.(member);
    await member.start();
    return member;
  }

  async committed(group, topic) {
    const [{ partitions }] = await (await this.admin()).fetchOffsets({ groupId: group, topics: [topic] });
    const offsets = partitions.map(({ partition, offset, metadata }) => ({ partition, offset: Number(offset), metadata: metadata ?? '' }));
    return offsets.sort((a, b) => a.partition - b.partition);
  }

  async listGroups() {
    const { groups } = await (await this.admin()).listGroups();
    return new Map(groups.map(({ groupId, protocolType }) => [groupId, protocolType]));
  }

  async describeGroup(group) {
    const { groups: [described] } = await (await this.admin()).describeGroups([group]);
    const members = described.members.map(({ clientId, memberAssignment }) => {
      const assignment = MemberAssignment.decode(memberAssignment)?.assignment ?? {};
      const partitions = Object.entries(assignment).flatMap(([topic, list]) => list.map(partition => ({ topic, partition })));
      return { clientId, partitions };
    });
    return { state: described.state, protocolType: described.protocolType, protocol: described.protocol, members };
  }

  async alterOffsets(group, topic, offsets) {
    const partitions = offsets.map(({ partition, offset }) => ({ partition, offset: String(offset) }));
    await (await this.admin()).setOffsets({ groupId: group, topic, partitions });
  }

  async deleteGroup(group) {
    await (await this.admin()).deleteGroups([group]);
  }
}

/** Records of one partition together. kafkajs 2.2.4 drops records of a send to several partitions: when a partition's leader moves
 * to a broker that has answered for another one, it takes that answer for this partition's too (sendMessages.js, responsePerBroker). */
function byPartition(records) {
  const partitions = new Map();
  for (const record of records) {
    partitions.set(record.partition, [...(partitions.get(record.partition) ?? []), record]);
  }
  return partitions.values();
}

/** kafkajs wants headers of one name together and timestamps as text. */
function messageOf({ partition, key = null, value, headers = [], timestamp }) {
  const together = {};
  for (const [name, text] of headers) {
    together[name] = name in together ? [together[name], text].flat() : text;
  }
  return { partition, key, value, headers: together, ...(timestamp !== undefined && { timestamp: String(timestamp) }) };
}

module.exports = { KafkaJsDriver };
