// The features of reading at a place: seeks by offset and time, listed offsets, the end of the log and beyond it.
'use strict';

const { number } = require('./driver');
const { ensure, eventually, pause, same } = require('./expect');

// The timestamp of record n is BASE_TIME + n * STEP, in milliseconds.
const BASE_TIME = 1_700_000_000_000;
const STEP = 1000;
// How long the end of a log must stay silent, and the fetch that then waits on the broker.
const SILENCE_MS = 1000;
const LONG_WAIT_MS = 10_000;

async function assignedPartitions(driver) {
  const topic = await driver.topic('assigned_partitions', 3);
  for (let partition = 0; partition < 3; partition += 1) {
    await driver.produceNumbers(topic, partition, partition * 1000, partition * 1000 + 100);
  }
  const next = [0, 0, 0];
  for (const record of await driver.readAll(topic)) {
    const place = next[record.partition];
    same([place, record.partition * 1000 + place], [record.offset, number(record)], `offset and value in partition ${record.partition}`);
    next[record.partition] += 1;
  }
  same([100, 100, 100], next, 'records by partition');
  const only = await driver.readAll(topic, new Map([[1, 'earliest']]));
  same([100, true], [only.length, only.every(record => record.partition === 1)], 'records of partition 1 alone');
}

/** The first record that arrives after a seek of a reader that has read everything. */
async function firstAfterSeek(reader, offset) {
  await reader.seek(0, offset);
  const before = reader.records.length;
  await eventually(() => ensure(reader.records.length > before, `nothing after the seek to ${offset}`));
  return reader.records[before];
}

async function seekOffset(driver) {
  const topic = await driver.topic('seek_offset');
  await driver.produceNumbers(topic, 0, 0, 500);
  const reader = await driver.reader(topic, new Map([[0, 490]]));
  await reader.read(10, 'a reader from 490 on');
  same(490, reader.records[0].offset, 'first offset of a reader from 490 on');
  // All is read, so nothing but the seek can bring a record. Odd places: inside a batch, back again, the last, the first.
  for (const offset of [317, 42, 499, 0]) {
    const first = await firstAfterSeek(reader, offset);
    same([offset, offset], [first.offset, number(first)], `offset and value after the seek to ${offset}`);
    await eventually(() => same(499, reader.records.at(-1).offset, 'last offset'));
  }
  await reader.close();
}

async function seekTime(driver) {
  const topic = await driver.topic('seek_time');
  const producer = await driver.producer();
  // A send for every ten, so that the records stand in many batches.
  for (let from = 0; from < 100; from += 10) {
    const ten = Array.from({ length: 10 }, (_, n) => from + n);
    await producer.send(topic, ten.map(n => ({ partition: 0, value: Buffer.from(String(n)), timestamp: BASE_TIME + n * STEP })));
  }
  await producer.close();
  const places = [[BASE_TIME + 30 * STEP, 30], [BASE_TIME + 30 * STEP + 1, 31], [1, 0], [BASE_TIME + 100 * STEP, 100]];
  for (const [millis, offset] of places) {
    same(offset, await driver.offsetAt(topic, 0, millis), `offset at ${millis}`);
  }
  const start = await driver.offsetAt(topic, 0, BASE_TIME + 70 * STEP);
  const read = await driver.readAll(topic, new Map([[0, start]]));
  same([30, 70], [read.length, number(read[0])], 'records from a time on and the first of them');
}

async function listOffsets(driver) {
  const topic = await driver.topic('list_offsets', 2);
  await driver.produceNumbers(topic, 1, 0, 250);
  same([{ low: 0, high: 0 }, { low: 0, high: 250 }], await driver.offsets(topic), 'offsets');
}

async function tail(driver) {
  const topic = await driver.topic('tail');
  await driver.produceNumbers(topic, 0, 0, 5);
  const reader = await driver.reader(topic, new Map([[0, 'latest']]), { maxWait: LONG_WAIT_MS });
  await reader.owns(1, 'the reader');
  await pause(SILENCE_MS);
  same(0, reader.records.length, 'records beyond the end');
  // The fetch waits on the broker by now; the record must end that wait, not its time.
  const began = Date.now();
  await driver.produceNumbers(topic, 0, 5, 6);
  await reader.read(1, 'the reader');
  same(5, number(reader.records[0]), 'value');
  ensure(Date.now() - began < LONG_WAIT_MS / 2, 'the waiting fetch was not woken');
  await reader.close();
}

async function offsetOutOfRange(driver) {
  const topic = await driver.topic('offset_out_of_range');
  await driver.produceNumbers(topic, 0, 0, 5);
  const reader = await driver.reader(topic, new Map([[0, 1000]]), { reset: 'earliest' });
  await reader.read(5, 'a reader from beyond the end');
  same(0, reader.records[0].offset, 'first offset after the reset');
  await reader.close();
}

module.exports = {
  BASE_TIME,
  features: [
    ['assigned_partitions', assignedPartitions],
    ['seek_offset', seekOffset],
    ['seek_time', seekTime],
    ['list_offsets', listOffsets],
    ['tail', tail],
    ['offset_out_of_range', offsetOutOfRange],
  ],
};
