// The program of a JavaScript family: runs each feature against BOOTSTRAP and prints `PASS name` or `FAIL name: reason`;
// with the argument `member` it is one group member instead. It starts no broker and knows no client library: see driver.js.
'use strict';

const { within } = require('./expect');
const { runMember } = require('./member');

// The longest time of one feature; restarts of a real Kafka are the slowest.
const FEATURE_MS = 150_000;

const FEATURES = [
  ...require('./topics').features,
  ...require('./records').features,
  ...require('./offsets').features,
  ...require('./groups').features,
  ...require('./rebalances').features,
  ...require('./losses').features,
  ...require('./group_admin').features,
  ...require('./restarts').features,
];

/**
 * Runs the family's program and ends the process: 0 if all features that the family does not lack passed.
 *
 * `family` is its family.json; `createDriver()` makes a Driver; `own` are [name, feature] pairs that only this family has.
 */
async function main(family, createDriver, own = []) {
  process.on('unhandledRejection', error => {
    // A client's background work may fail while the broker is down; it is for the feature to notice what that means.
    process.stderr.write(`unhandled: ${error?.stack ?? error}\n`);
  });
  if (process.argv.at(-1) === 'member') {
    process.exit(await runMember(createDriver()));
  }
  console.log(`VERSION ${family.name} ${createDriver().version}`);
  let failed = 0;
  for (const [name, feature] of [...FEATURES, ...own]) {
    if (name in (family.lacking ?? {}) || (process.env.FEATURE && process.env.FEATURE !== name)) {
      continue;
    }
    const reason = await runOne(feature, createDriver());
    failed += reason === null ? 0 : 1;
    console.log(reason === null ? `PASS ${name}` : `FAIL ${name}: ${reason}`);
  }
  process.exit(failed > 0 ? 1 : 0);
}

/** Runs one feature with clients of its own; returns the reason of its failure or null. */
async function runOne(feature, driver) {
  let reason = null;
  try {
    await within(feature(driver), 'the feature', FEATURE_MS);
  } catch (error) {
    reason = String(error?.message ?? error).replaceAll('\n', ' ');
    process.stderr.write(`${error?.stack ?? error}\n`);
  }
  // What a failed feature left open must not disturb the next one; a close that hangs is left behind.
  await within(driver.closeAll(), 'closing').catch(error => process.stderr.write(`${error.message}\n`));
  return reason;
}

module.exports = { main };
