// The features of records: codecs, keys, headers, null and empty values, sizes, acks, the idempotent producer.
'use strict';

const { randomBytes } = require('node:crypto');

const { number } = require('./driver');
const { ensure, eventually, refused, same } = require('./expect');

const CODEC_RECORDS = 400;

/** Produces records to a topic of one partition and reads them back. */
async function roundTrip(driver, feature, records, options) {
  const topic = await driver.topic(feature);
  await driver.produce(topic, records.map(record => ({ partition: 0, ...record })), options);
  const read = await driver.readAll(topic);
  same(records.length, read.length, 'records');
  return read;
}

function codec(name) {
  return async driver => {
    const records = Array.from({ length: CODEC_RECORDS }, (_, n) => {
      const size = (n * 37) % 2000;
      return { value: n % 2 === 0 ? randomBytes(size) : Buffer.alloc(size, n % 251) };
    });
    const read = await roundTrip(driver, `codec_${name}`, records, { codec: name });
    read.forEach((record, n) => ensure(record.offset === n && record.value.equals(records[n].value), `record ${n} differs`));
  };
}

async function keys(driver) {
  const topic = await driver.topic('keys', 4);
  const records = Array.from({ length: 200 }, (_, n) => ({ key: Buffer.from(`key-${n % 10}`), value: Buffer.from(String(n)) }));
  await driver.produce(topic, records);
  const home = new Map();
  const last = new Map();
  const read = await driver.readAll(topic);
  for (const record of read) {
    const key = record.key.toString();
    same(home.get(key) ?? record.partition, record.partition, `partition of ${key}`);
    ensure((last.get(key) ?? -1) < number(record), `${key} is out of order: ${number(record)} after ${last.get(key)}`);
    home.set(key, record.partition);
    last.set(key, number(record));
  }
  same([200, 10], [read.length, home.size], 'records and keys');
  ensure(new Set(home.values()).size > 1, 'all keys are in one partition');
}

async function headers(driver) {
  const put = [['a', '1'], ['a', '2'], ['c', ''], ['é', 'ü']].map(([name, value]) => [name, Buffer.from(value)]);
  const [record] = await roundTrip(driver, 'headers', [{ value: Buffer.from('value'), headers: put }]);
  same(put, record.headers, 'headers in order');
}

async function tombstones(driver) {
  const key = Buffer.from('k');
  const read = await roundTrip(driver, 'tombstones', [{ key, value: Buffer.from('v') }, { key, value: null }]);
  same([['k', 'v'], ['k', undefined]], read.map(record => [record.key.toString(), record.value?.toString()]), 'keys and values');
  same(null, read[1].value, 'value of the tombstone');
}

async function emptyValue(driver) {
  const [record] = await roundTrip(driver, 'empty_value', [{ key: null, value: Buffer.alloc(0) }]);
  ensure(record.value !== null && record.value.length === 0, `value: expected an empty one, got ${record.value}`);
  same(null, record.key, 'key');
}

async function timestamps(driver) {
  const before = Date.now();
  const set = 1_600_000_000_123;
  const records = [{ value: Buffer.from('set'), timestamp: set }, { value: Buffer.from('now') }];
  const [first, second] = await roundTrip(driver, 'timestamps', records);
  same(set, first.timestamp, 'timestamp that was set');
  ensure(second.timestamp >= before && second.timestamp <= Date.now(), `timestamp of now: ${second.timestamp}`);
}

async function acks(driver) {
  const topic = await driver.topic('acks');
  for (const level of [0, 1, -1]) {
    await driver.produce(topic, [{ partition: 0, value: Buffer.from(String(level)) }], { acks: level });
  }
  // acks=0 promises neither an order against later connections nor an answer to wait for, so the set is awaited.
  await eventually(async () => {
    const read = await driver.readAll(topic);
    same(['-1', '0', '1'], read.map(record => record.value.toString()).sort(), 'values');
  });
}

async function idempotentProducer(driver) {
  const topic = await driver.topic('idempotent_producer', 2);
  const producers = [await driver.producer({ idempotent: true }), await driver.producer({ idempotent: true })];
  for (let from = 0; from < 4000; from += 400) {
    await Promise.all(producers.map((producer, which) => {
      const mine = Array.from({ length: 200 }, (_, n) => from + n * 2 + which);
      return producer.send(topic, mine.map(n => ({ partition: (n % 4) >> 1, value: Buffer.from(String(n)) })));
    }));
  }
  await Promise.all(producers.map(producer => producer.close()));
  const read = await driver.readAll(topic);
  const next = [0, 1, 2, 3];
  for (const record of read) {
    const n = number(record);
    same(next[n % 4], n, 'next number of one producer in one partition');
    next[n % 4] += 4;
  }
  same(4000, read.length, 'records');
}

async function largeMessage(driver) {
  const topic = await driver.topic('large_message');
  const value = randomBytes(900_000);
  await driver.produce(topic, [{ partition: 0, value }]);
  // A fetch that may carry less than the batch must still return it whole.
  const read = await driver.readAll(topic, undefined, { maxBytes: 10_000 });
  ensure(read.length === 1 && read[0].value.equals(value), 'the value differs');
}

async function tooLargeMessage(driver) {
  const topic = await driver.topic('too_large_message');
  const value = randomBytes(2_000_000);
  await refused('MESSAGE_TOO_LARGE', () => driver.produce(topic, [{ partition: 0, value }]), '2 MB');
  await driver.produceNumbers(topic, 0, 0, 1);
  same(1, (await driver.readAll(topic)).length, 'records');
}

module.exports = {
  features: [
    ...['none', 'gzip', 'snappy', 'lz4', 'zstd'].map(name => [`codec_${name}`, codec(name)]),
    ['keys', keys],
    ['headers', headers],
    ['tombstones', tombstones],
    ['empty_value', emptyValue],
    ['timestamps', timestamps],
    ['acks', acks],
    ['idempotent_producer', idempotentProducer],
    ['large_message', largeMessage],
    ['too_large_message', tooLargeMessage],
  ],
};
