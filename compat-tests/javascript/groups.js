// The features of one group without changes: everything read, commits with metadata, resumption, topics found by pattern.
'use strict';

const { number } = require('./driver');
const { ensure, eventually, same } = require('./expect');

const PARTITIONS = 3;

/** Numbers spread over the partitions of a topic: number n is in partition n % partitions at offset n / partitions. */
async function produceSpread(driver, topic, partitions, from, to) {
  const records = [];
  for (let n = from; n < to; n += 1) {
    records.push({ partition: n % partitions, value: Buffer.from(String(n)) });
  }
  await driver.produce(topic, records);
}

/** Throws unless the numbers up to `total` (exclusive) have all been read by some member; doubles are allowed. */
function allSeen(members, total) {
  const seen = new Set(members.flatMap(member => member.records.map(number)));
  const missing = [];
  for (let n = 0; n < total; n += 1) {
    if (!seen.has(n)) {
      missing.push(n);
    }
  }
  ensure(missing.length === 0, `${missing.length} of ${total} records not seen, the first is ${missing[0]}`);
}

async function groupConsume(driver) {
  const topic = await driver.topic('group_consume', PARTITIONS);
  await produceSpread(driver, topic, PARTITIONS, 0, 300);
  const member = await driver.join({ group: driver.name('group_consume'), topic });
  await member.read(300, 'the member');
  same([0, 1, 2], member.partitions, 'partitions');
  const next = [0, 0, 0];
  for (const record of member.records) {
    same(next[record.partition] * PARTITIONS + record.partition, number(record), `next number of partition ${record.partition}`);
    next[record.partition] += 1;
  }
  same([100, 100, 100], next, 'records by partition');
  await member.leave();
}

async function commitResume(driver) {
  const topic = await driver.topic('commit_resume', PARTITIONS);
  const group = driver.name('commit_resume');
  await produceSpread(driver, topic, PARTITIONS, 0, 300);
  const first = await driver.join({ group, topic });
  await first.read(300, 'the first member');
  const places = [17, 50, 99];
  await first.commit(places.map((offset, partition) => ({ topic, partition, offset })));
  await first.leave();
  const second = await driver.join({ group, topic });
  const left = places.reduce((sum, offset) => sum + 100 - offset, 0);
  await second.read(left, 'the second member');
  places.forEach((offset, partition) => {
    const record = second.records.find(one => one.partition === partition);
    same(offset, record?.offset, `first offset of the second member in partition ${partition}`);
  });
  same(left, second.records.length, 'records of the second member');
  await second.leave();
}

async function offsetMetadata(driver) {
  const topic = await driver.topic('offset_metadata', 2);
  const group = driver.name('offset_metadata');
  await produceSpread(driver, topic, 2, 0, 20);
  const member = await driver.join({ group, topic });
  await member.read(20, 'the member');
  const commits = [{ topic, partition: 0, offset: 4, metadata: 'bis hier – ✓' }, { topic, partition: 1, offset: 7, metadata: '' }];
  await member.commit(commits);
  const expected = [{ partition: 0, offset: 4, metadata: 'bis hier – ✓' }, { partition: 1, offset: 7, metadata: '' }];
  same(expected, await driver.committed(group, topic), 'committed');
  await member.leave();
  same(expected, await driver.committed(group, topic), 'committed after the member left');
}

async function patternSubscribe(driver) {
  const prefix = driver.name('pattern_subscribe');
  const early = await driver.topic('pattern_subscribe-a');
  await driver.produceNumbers(early, 0, 0, 5);
  const member = await driver.join({ group: prefix, pattern: `^${prefix.replace('pattern_subscribe', 'pattern_subscribe-[a-z]')}$` });
  await member.read(5, 'the member');
  const late = await driver.topic('pattern_subscribe-b');
  await driver.topic('pattern_subscribe-9');
  await driver.produceNumbers(late, 0, 0, 5);
  await eventually(() => {
    same([early, late], member.owned.map(one => one.topic).sort(), 'topics of the member');
    same(5, member.records.filter(record => record.topic === late).length, 'records of the topic that came later');
  });
  await member.leave();
}

module.exports = {
  allSeen,
  produceSpread,
  features: [
    ['group_consume', groupConsume],
    ['commit_resume', commitResume],
    ['offset_metadata', offsetMetadata],
    ['pattern_subscribe', patternSubscribe],
  ],
};
