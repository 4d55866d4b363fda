// The features of a group whose members come and go politely: it grows, it shrinks, statically, cooperatively.
'use strict';

const { ensure, eventually, pause, same } = require('./expect');
const { allSeen, produceSpread } = require('./groups');

const PARTITIONS = 6;
// A session so long that whoever waits for its end is found out.
const LONG_SESSION_MS = 30_000;
const POLITE_MS = 15_000;
// Records go on all the time, in sends of this many.
const SEND = 12;
const BETWEEN_MS = 50;

/** Waits until the members own `each` partitions each, all `PARTITIONS` together, none twice. */
async function stable(members, each) {
  await eventually(() => {
    members.forEach((member, n) => member.works(`member ${n}`));
    same(members.map(() => each), members.map(member => member.owned.length), 'partitions of each member');
    same([0, 1, 2, 3, 4, 5], members.flatMap(member => member.partitions).sort(), 'owned partitions');
  });
}

/** Produces without pause until `stop()`, which returns how many records there are. */
function flow(driver, topic) {
  let going = true;
  let sent = 0;
  const running = (async () => {
    const producer = await driver.producer();
    while (going) {
      const from = sent;
      const some = Array.from({ length: SEND }, (_, n) => from + n);
      await producer.send(topic, some.map(n => ({ partition: n % PARTITIONS, value: Buffer.from(String(n)) })));
      sent += SEND;
      await pause(BETWEEN_MS);
    }
    await producer.close();
  })();
  running.catch(() => {}); // told by stop()
  return {
    async stop() {
      going = false;
      await running;
      return sent;
    },
  };
}

async function groupGrows(driver) {
  const topic = await driver.topic('group_grows', PARTITIONS);
  const group = driver.name('group_grows');
  const records = flow(driver, topic);
  const members = [];
  for (const each of [6, 3, 2]) {
    members.push(await driver.join({ group, topic }));
    await stable(members, each);
  }
  const total = await records.stop();
  await eventually(() => allSeen(members, total));
  await stable(members, 2);
  await Promise.all(members.map(member => member.leave()));
}

async function groupShrinks(driver) {
  const topic = await driver.topic('group_shrinks', PARTITIONS);
  const group = driver.name('group_shrinks');
  const join = () => driver.join({ group, topic, session: LONG_SESSION_MS });
  const members = await Promise.all([join(), join(), join()]);
  await stable(members, 2);
  const records = flow(driver, topic);
  const gone = [];
  for (const each of [3, 6]) {
    const began = Date.now();
    const leaving = members.shift();
    await leaving.leave();
    gone.push(leaving);
    await stable(members, each);
    ensure(Date.now() - began < POLITE_MS, `the others waited ${Date.now() - began} ms for a member that had left`);
  }
  const total = await records.stop();
  await eventually(() => allSeen([...members, ...gone], total));
  await members[0].leave();
}

async function staticMember(driver) {
  const topic = await driver.topic('static_member', PARTITIONS);
  const group = driver.name('static_member');
  const join = instanceId => driver.join({ group, topic, instanceId, session: LONG_SESSION_MS });
  const [first, other] = await Promise.all([join('one'), join('two')]);
  await stable([first, other], 3);
  const before = first.partitions;
  const rebalances = other.rebalances.length;
  await first.leave();
  const again = await join('one');
  await again.owns(3, 'the member that came back');
  same(before, again.partitions, 'partitions of the member that came back');
  // Both read on, which takes longer than the heartbeat by which the other would hear of a rebalance.
  await pause(2000);
  await produceSpread(driver, topic, PARTITIONS, 0, 60);
  await eventually(() => allSeen([again, other], 60));
  same(rebalances, other.rebalances.length, 'assignments and revocations of the other member');
  await Promise.all([again.leave(), other.leave()]);
}

async function cooperative(driver) {
  const topic = await driver.topic('cooperative', PARTITIONS);
  const group = driver.name('cooperative');
  const first = await driver.join({ group, topic, cooperative: true });
  await stable([first], 6);
  const records = flow(driver, topic);
  const second = await driver.join({ group, topic, cooperative: true });
  await stable([first, second], 3);
  const revocations = first.rebalances.filter(change => change.kind === 'revoked');
  const revoked = revocations.flatMap(change => change.partitions.map(one => one.partition));
  ensure(revoked.length <= 3, `the first member had to give ${revoked.length} of 6 partitions: ${revoked}`);
  same([], first.partitions.filter(partition => revoked.includes(partition)), 'partitions that were revoked and came back');
  const total = await records.stop();
  await eventually(() => allSeen([first, second], total));
  await Promise.all([first.leave(), second.leave()]);
}

module.exports = {
  stable,
  features: [
    ['group_grows', groupGrows],
    ['group_shrinks', groupShrinks],
    ['static_member', staticMember],
    ['cooperative', cooperative],
  ],
};
