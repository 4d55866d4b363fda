// The features of a group that loses something without a goodbye: a member is killed, the broker is restarted or killed.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { control } = require('./control');
const { ensure, eventually, pause, same, shown } = require('./expect');
const { allSeen, produceSpread } = require('./groups');
const { stable } = require('./rebalances');

const PARTITIONS = 6;
const COMMIT_EVERY_MS = 300;
// Until members have found a broker again that was down for a while: a client may back off for long.
const RECOVERY_MS = 60_000;

/** What a `member` process has written so far: its last assignment and the last committed offset by partition. */
function journalOf(file) {
  const journal = { owned: [], committed: new Map(), read: 0 };
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  for (const line of text.split('\n').slice(0, -1)) {
    const [kind, first, second] = line.split(' ');
    if (kind === 'A') {
      journal.owned = second ? second.split(',').map(Number) : [];
    } else if (kind === 'C') {
      journal.committed.set(Number(first), Number(second));
    } else if (kind === 'M') {
      journal.read += 1;
    }
  }
  return journal;
}

async function memberLost(driver) {
  const topic = await driver.topic('member_lost', PARTITIONS);
  const group = driver.name('member_lost');
  const file = path.join(process.env.SCRATCH, group);
  await produceSpread(driver, topic, PARTITIONS, 0, 600);
  const child = spawn(process.execPath, [process.argv[1], 'member'], {
    env: { ...process.env, GROUP: group, TOPIC: topic, OUT_FILE: file, CLIENT_ID: 'lost' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    const survivor = await driver.join({ group, topic });
    await survivor.owns(3, 'the survivor');
    const owned = await eventually(() => {
      const journal = journalOf(file);
      same(3, journal.owned.length, `partitions of the process ${child.pid}`);
      same([100, 100, 100], journal.owned.map(partition => journal.committed.get(partition)), 'what the process committed');
      return journal.owned;
    });
    // The partitions belong to the process; what the survivor reads of them later, it reads because they were given to it.
    const before = survivor.records.length;
    child.kill('SIGKILL');
    await produceSpread(driver, topic, PARTITIONS, 600, 660);
    await survivor.owns(6, 'the survivor');
    for (const partition of owned) {
      const first = await eventually(() => {
        const record = survivor.records.slice(before).find(one => one.partition === partition);
        ensure(record, `nothing read of partition ${partition}`);
        return record;
      });
      same(100, first.offset, `first offset that the survivor read of the lost member's partition ${partition}`);
    }
    await survivor.leave();
  } finally {
    child.kill('SIGKILL');
  }
}

/** Commits what `member` has read, again and again, until `stop()`; a commit that fails is tried again with the next round. */
function committing(member) {
  let going = true;
  const running = (async () => {
    while (going) {
      await pause(COMMIT_EVERY_MS);
      const positions = [...member.positions.values()];
      if (positions.length > 0) {
        await member.commit(positions).catch(() => {});
      }
    }
  })();
  return async () => {
    going = false;
    await running;
  };
}

function survives(verb) {
  return async driver => {
    const topic = await driver.topic(`group_${verb}`, PARTITIONS);
    const group = driver.name(`group_${verb}`);
    const offsets = async () => (await driver.committed(group, topic)).map(one => one.offset);
    await produceSpread(driver, topic, PARTITIONS, 0, 600);
    const members = await Promise.all([driver.join({ group, topic }), driver.join({ group, topic })]);
    const stops = members.map(committing);
    await stable(members, 3);
    await eventually(async () => same([100, 100, 100, 100, 100, 100], await offsets(), 'committed before'));
    const counts = members.map(member => member.records.length);
    await control(verb);
    const before = await eventually(offsets, RECOVERY_MS);
    ensure(before.every(offset => offset >= 100), `committed offsets after the ${verb}: expected 100 or more each, got ${shown(before)}`);
    await produceSpread(driver, topic, PARTITIONS, 600, 700);
    await eventually(() => allSeen(members, 700), RECOVERY_MS);
    await stable(members, 3);
    await eventually(async () => same([117, 117, 117, 117, 116, 116], await offsets(), 'committed in the end'));
    ensure(members.every((member, n) => member.records.length > counts[n]), `a member did not go on after the ${verb}`);
    await Promise.all(stops.map(stop => stop()));
    await Promise.all(members.map(member => member.leave()));
  };
}

module.exports = {
  features: [
    ['member_lost', memberLost],
    ['group_restart', survives('restart')],
    ['group_kill', survives('kill')],
  ],
};
