// What a feature expects: values that are the same, refusals with Kafka's error code, conditions that hold in the end.
// It prints nothing: a failed expectation is an Error whose message says what was expected and seen.
'use strict';

const { isDeepStrictEqual, inspect } = require('node:util');

// The longest time for anything that a feature waits for, and how often it looks.
const WAIT_MS = 30_000;
const LOOK_MS = 20;

// Kafka's error codes that features expect.
const CODES = {
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  MESSAGE_TOO_LARGE: 10,
  INVALID_TOPIC_EXCEPTION: 17,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_PARTITIONS: 37,
  INVALID_CONFIG: 40,
  NON_EMPTY_GROUP: 68,
  GROUP_ID_NOT_FOUND: 69,
};

/** A failure that waiting cannot cure. */
class Hopeless extends Error {}

function shown(value) {
  return typeof value === 'string' ? value : inspect(value, { breakLength: Infinity, depth: 5, maxArrayLength: 20 });
}

/** Throws unless both are deeply equal. */
function same(expected, actual, what) {
  if (!isDeepStrictEqual(expected, actual)) {
    throw new Error(`${what}: expected ${shown(expected)}, got ${shown(actual)}`);
  }
}

function ensure(holds, otherwise) {
  if (!holds) {
    throw new Error(otherwise);
  }
}

/** The numeric codes of an error, those of the errors within it included; `depth` bounds errors that hold themselves. */
function codesOf(error, depth = 4) {
  if (!error || typeof error !== 'object' || depth === 0) {
    return [];
  }
  const lists = [error.errors, error.groups, error.partitions].flatMap(list => list ?? []);
  const within = [error.cause, error.error, error.originalError, ...lists];
  const own = [error.code, error.errorCode].filter(code => typeof code === 'number');
  return [...own, ...within.flatMap(inner => codesOf(inner, depth - 1))];
}

/** Throws unless `attempt` is refused with the Kafka error of that name. */
async function refused(name, attempt, what) {
  let seen = 'no error';
  try {
    await attempt();
  } catch (error) {
    if (codesOf(error).includes(CODES[name])) {
      return;
    }
    seen = `${error.message} (codes ${codesOf(error)})`;
  }
  throw new Error(`${what}: expected ${name}, got ${seen}`);
}

function pause(ms) {
  return new Promise(resolve => setTimeout(resolve, ms));
}

/** The value of `promise`, or an Error after `ms`. */
async function within(promise, what, ms = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Repeats `step` until it no longer throws; at the deadline its last error is thrown, a Hopeless one at once. Each call must end
 * by itself. */
async function eventually(step, ms = WAIT_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (error instanceof Hopeless) {
        throw error;
      }
      if (Date.now() > deadline) {
        throw new Error(`after ${ms} ms still: ${error.message}`);
      }
    }
    await pause(LOOK_MS);
  }
}

module.exports = { Hopeless, WAIT_MS, codesOf, ensure, eventually, pause, refused, same, shown, within };
