// The `member` mode: one group member in a process of its own that writes what it does to OUT_FILE, for whoever judges the group.
//
// Lines: `A <unix-ms> p,p,p` what it owns now · `R <unix-ms>` taken from it · `M <partition> <offset> <value>` a record processed ·
// `C <partition> <next-offset>` an acknowledged commit.
'use strict';

const fs = require('node:fs');

const { pause } = require('./expect');

const COMMIT_EVERY_MS = 500;
const FLUSH_EVERY_MS = 100;
// How soon SIGTERM and a final error are noticed.
const LOOK_MS = 20;

/** Appends lines to a file; `flush` writes what waits, and whoever commits flushes before. */
class Journal {
  constructor(file) {
    this.fd = fs.openSync(file, 'a');
    this.waiting = [];
    setInterval(() => this.flush(), FLUSH_EVERY_MS).unref();
  }

  line(text) {
    this.waiting.push(`${text}\n`);
  }

  now(text) {
    this.line(text);
    this.flush();
  }

  flush() {
    if (this.waiting.length > 0) {
      // A member whose journal has holes would be judged wrongly: if the disk refuses, this throws and the process ends.
      fs.writeSync(this.fd, this.waiting.join(''));
      this.waiting = [];
    }
  }
}

/** Runs until SIGTERM (0) or a final error (1); returns the exit code. */
async function runMember(driver) {
  const { GROUP: group, TOPIC: topic, OUT_FILE, CLIENT_ID: clientId, INSTANCE_ID: instanceId } = process.env;
  const journal = new Journal(OUT_FILE);
  let ending = false;
  process.on('SIGTERM', () => { ending = true; });
  const member = await driver.join({ group, topic, clientId, instanceId }, membership => {
    membership.on('assigned', () => journal.now(`A ${Date.now()} ${membership.partitions.join(',')}`));
    membership.on('revoked', () => journal.now(`R ${Date.now()}`));
    membership.on('record', ({ partition, offset, value }) => journal.line(`M ${partition} ${offset} ${value}`));
    membership.beforeRevoke = () => commit(membership, journal);
  });
  let last = Date.now();
  while (!ending && !member.error) {
    await pause(LOOK_MS);
    if (Date.now() - last >= COMMIT_EVERY_MS) {
      await commit(member, journal);
      last = Date.now();
    }
  }
  if (member.error) {
    process.stderr.write(`final error: ${member.error.stack ?? member.error}\n`);
    journal.flush();
    return 1;
  }
  await commit(member, journal);
  await member.leave();
  journal.flush();
  return 0;
}

// What was committed last by partition, so that nothing is committed twice.
const done = new Map();
// The commit that is on its way, if any: two at a time could arrive in the wrong order.
let running = null;

/** Commits what was read and not committed yet; a commit that fails is left to the next round, or to who owns it then. */
async function commit(member, journal) {
  const positions = [...member.positions.values()].filter(one => done.get(one.partition) !== one.offset);
  const changes = member.rebalances.length;
  while (running) {
    await running;
  }
  // After a change of the assignment these offsets may be another member's.
  if (positions.length > 0 && member.rebalances.length === changes) {
    running = commitNow(member, journal, positions).finally(() => { running = null; });
    await running;
  }
}

async function commitNow(member, journal, positions) {
  journal.flush();
  try {
    await member.commit(positions);
  } catch (error) {
    process.stderr.write(`commit: ${error.message}\n`);
    return;
  }
  positions.forEach(({ partition, offset }) => {
    done.set(partition, offset);
    journal.line(`C ${partition} ${offset}`);
  });
  journal.flush();
}

module.exports = { runMember };
