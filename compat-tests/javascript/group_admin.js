// The features of groups seen from outside: listed, described, their offsets changed, deleted.
'use strict';

const { eventually, refused, same } = require('./expect');
const { produceSpread } = require('./groups');

const PARTITIONS = 4;

/** A group with committed offsets 10, 20, 30 and 40 whose only member has left. */
async function emptyGroup(driver, feature) {
  const topic = await driver.topic(feature, PARTITIONS);
  const group = driver.name(feature);
  await produceSpread(driver, topic, PARTITIONS, 0, 200);
  const member = await driver.join({ group, topic });
  await member.read(200, 'the member');
  await member.commit([10, 20, 30, 40].map((offset, partition) => ({ topic, partition, offset })));
  await member.leave();
  await eventually(async () => same('Empty', (await driver.describeGroup(group)).state, 'state'));
  return { topic, group };
}

async function offsetsOf(driver, group, topic) {
  return (await driver.committed(group, topic)).map(one => one.offset);
}

async function listGroups(driver) {
  const { group } = await emptyGroup(driver, 'list_groups');
  const topic = await driver.topic('list_groups-live');
  const live = driver.name('list_groups-live');
  const member = await driver.join({ group: live, topic });
  await member.owns(1, 'the member');
  const groups = await driver.listGroups();
  same(['consumer', 'consumer'], [groups.get(group), groups.get(live)], 'protocol types of an empty and a live group');
  same(undefined, groups.get(driver.name('no-such-group')), 'a group that nobody made');
  await member.leave();
}

async function describeGroup(driver) {
  const topic = await driver.topic('describe_group', PARTITIONS);
  const group = driver.name('describe_group');
  const members = await Promise.all(['left', 'right'].map(clientId => driver.join({ group, topic, clientId })));
  await Promise.all(members.map((member, n) => member.owns(2, `member ${n}`)));
  const expected = [['left', members[0].partitions], ['right', members[1].partitions]];
  await eventually(async () => {
    const { state, protocolType, protocol, members: described } = await driver.describeGroup(group);
    same(['Stable', 'consumer', 'range'], [state, protocolType, protocol], 'state, protocol type and protocol');
    const shown = described.map(one => [one.clientId, one.partitions.map(({ partition }) => partition).sort()]).sort();
    same(expected, shown, 'client ids and partitions');
  });
  await Promise.all(members.map(member => member.leave()));
  await eventually(async () => {
    const { state, members: left } = await driver.describeGroup(group);
    same(['Empty', []], [state, left], 'state and members after they left');
  });
}

async function alterGroupOffsets(driver) {
  const { topic, group } = await emptyGroup(driver, 'alter_group_offsets');
  await driver.alterOffsets(group, topic, [{ partition: 0, offset: 3 }, { partition: 2, offset: 49 }]);
  await eventually(async () => same([3, 20, 49, 40], await offsetsOf(driver, group, topic), 'committed'));
  const member = await driver.join({ group, topic });
  await member.read(47 + 30 + 1 + 10, 'a member that goes on');
  const first = partition => member.records.find(record => record.partition === partition).offset;
  same([3, 20, 49, 40], [first(0), first(1), first(2), first(3)], 'first offsets that it read');
  await member.leave();
}

async function deleteGroup(driver) {
  const { topic, group } = await emptyGroup(driver, 'delete_group');
  const member = await driver.join({ group, topic });
  await member.owns(PARTITIONS, 'the member');
  await refused('NON_EMPTY_GROUP', () => driver.deleteGroup(group), 'deletion of a group with a member');
  await member.leave();
  await eventually(() => driver.deleteGroup(group));
  same([-1, -1, -1, -1], await offsetsOf(driver, group, topic), 'committed after the deletion');
  await refused('GROUP_ID_NOT_FOUND', () => driver.deleteGroup(group), 'the deletion again');
}

module.exports = {
  features: [
    ['list_groups', listGroups],
    ['describe_group', describeGroup],
    ['alter_group_offsets', alterGroupOffsets],
    ['delete_group', deleteGroup],
  ],
};
