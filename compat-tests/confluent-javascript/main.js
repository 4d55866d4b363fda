// The compatibility program of @confluentinc/kafka-javascript: the features that all JavaScript clients share, and its own.
'use strict';

// Each waiting consumer, commit and close takes a thread of this pool; libuv reads its size when the first of them starts.
process.env.UV_THREADPOOL_SIZE = '32';

const { same } = require('../javascript/expect');
const { BASE_TIME } = require('../javascript/offsets');
const { main } = require('../javascript/program');
const { ConfluentDriver } = require('./driver');
const family = require('./family.json');

async function maxTimestamp(driver) {
  const topic = await driver.topic('max_timestamp');
  for (const after of [5, 90, 40, 90, 10]) {
    await driver.produce(topic, [{ partition: 0, value: Buffer.from('x'), timestamp: BASE_TIME + after }]);
  }
  same({ offset: 1, timestamp: BASE_TIME + 90 }, await driver.maxTimestamp(topic, 0), 'offset and timestamp of the greatest');
}

main(family, () => new ConfluentDriver(), [['max_timestamp', maxTimestamp]]);
