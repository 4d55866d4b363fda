// The features of topics that every JavaScript client can do: created, grown, cut, deleted, refused.
'use strict';

const { ensure, eventually, refused, same } = require('./expect');

async function describeCluster(driver) {
  const { brokers, ...more } = await driver.describeCluster();
  const shown = brokers.map(({ id, host, port }) => [id, `${host}:${port}`]).sort(([left], [right]) => left - right);
  same(driver.nodes.map((id, at) => [id, driver.addresses[at]]), shown, 'advertised addresses by node id');
  if ('clusterId' in more) {
    ensure(driver.nodes.includes(more.controller), `controller ${more.controller}`);
    ensure(more.clusterId, 'no cluster id');
  }
}

async function createTopic(driver) {
  const name = await driver.topic('create_topic', 3, { 'retention.ms': '86400000' });
  for (const { partition, leader, isr } of (await driver.describeTopic(name)).partitions) {
    ensure(driver.nodes.includes(leader), `leader ${leader} of partition ${partition}`);
    same(driver.nodes, [...isr].sort(), `replicas in sync of partition ${partition}`);
  }
  await refused('TOPIC_ALREADY_EXISTS', () => driver.createTopic(name, 3), 'the same topic again');
  await refused('INVALID_TOPIC_EXCEPTION', () => driver.createTopic('not a name', 1), 'a name with spaces');
  await refused('INVALID_CONFIG', () => driver.createTopic(`${name}-2`, 1, { 'retention.ms': 'soon' }), 'retention.ms=soon');
}

async function autoCreateTopic(driver) {
  const name = driver.name('auto_create_topic');
  await driver.produce(name, [{ partition: 0, value: Buffer.from('first') }], { autoCreate: true });
  const read = await driver.readAll(name);
  same([[0, 'first']], read.map(record => [record.offset, record.value.toString()]), 'records');
}

async function unknownTopic(driver) {
  const name = driver.name('unknown_topic');
  await refused('UNKNOWN_TOPIC_OR_PARTITION', () => driver.describeTopic(name), 'description of no topic');
}

async function createPartitions(driver) {
  const topic = await driver.topic('create_partitions', 2);
  await driver.createPartitions(topic, 5);
  await driver.hasPartitions(topic, 5);
  await driver.produceNumbers(topic, 4, 0, 1);
  same([[4, 0]], (await driver.readAll(topic)).map(record => [record.partition, record.offset]), 'records');
  await refused('INVALID_PARTITIONS', () => driver.createPartitions(topic, 3), 'fewer partitions');
}

async function deleteRecords(driver) {
  const topic = await driver.topic('delete_records');
  const left = async (count, first) => {
    const read = await driver.readAll(topic);
    same(count, read.length, 'records left');
    same(first, read[0]?.offset, 'first offset left');
  };
  await driver.produceNumbers(topic, 0, 0, 100);
  await driver.deleteRecords(topic, 0, 40);
  same({ low: 40, high: 100 }, (await driver.offsets(topic))[0], 'offsets after the deletion');
  await left(60, 40);
  await driver.deleteRecords(topic, 0, -1);
  await left(0, undefined);
  await driver.produceNumbers(topic, 0, 100, 101);
  await left(1, 100);
  await refused('OFFSET_OUT_OF_RANGE', () => driver.deleteRecords(topic, 0, 1000), 'deletion beyond the end');
}

async function deleteTopic(driver) {
  const topic = await driver.topic('delete_topic', 2);
  await driver.produceNumbers(topic, 0, 0, 10);
  await driver.deleteTopic(topic);
  await eventually(() => refused('UNKNOWN_TOPIC_OR_PARTITION', () => driver.describeTopic(topic), 'the deleted topic'));
  await refused('UNKNOWN_TOPIC_OR_PARTITION', () => driver.deleteTopic(topic), 'the deletion again');
  await eventually(() => driver.createTopic(topic, 1));
  await driver.hasPartitions(topic, 1);
  await driver.produceNumbers(topic, 0, 77, 78);
  const read = await driver.readAll(topic);
  same([[0, '77']], read.map(record => [record.offset, record.value.toString()]), 'records of the second topic');
}

module.exports = {
  features: [
    ['describe_cluster', describeCluster],
    ['create_topic', createTopic],
    ['auto_create_topic', autoCreateTopic],
    ['unknown_topic', unknownTopic],
    ['create_partitions', createPartitions],
    ['delete_records', deleteRecords],
    ['delete_topic', deleteTopic],
  ],
};
