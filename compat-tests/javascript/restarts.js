// The broker is restarted or killed while an idempotent producer and a reader are at work: no loss, no duplicate, no disorder.
'use strict';

const { control } = require('./control');
const { number } = require('./driver');
const { eventually, ensure, pause, same } = require('./expect');

const PARTITIONS = 2;
// Records come in sends of this size, a few before the restart, as many as fit during it, a few after it.
const SEND = 50;
const AROUND = 10;
const BETWEEN_MS = 20;
const MOST = 600;
// Until a reader has found a broker again that was down for a while: a client may back off for long.
const RECOVERY_MS = 60_000;

function inOrder(records, total, reader) {
  const next = [0, 1];
  for (const record of records) {
    same(next[record.partition], number(record), `${reader}: next number of partition ${record.partition}`);
    next[record.partition] += PARTITIONS;
  }
  same(total, records.length, `${reader}: records`);
}

/** How far it came, and where the first number is missing that a later one followed. */
function progress(records, total) {
  const next = [0, 1];
  const gaps = [];
  for (const record of records) {
    const expected = next[record.partition];
    if (number(record) !== expected) {
      gaps.push(`in partition ${record.partition} ${number(record)} at offset ${record.offset} follows ${expected - PARTITIONS}`);
    }
    next[record.partition] = number(record) + PARTITIONS;
  }
  return `${records.length} of ${total} records, up to ${next.map(one => one - PARTITIONS)}${gaps.length ? `; ${gaps[0]}` : ''}`;
}

function restart(verb) {
  return async driver => {
    const topic = await driver.topic(`restart_${verb}`, PARTITIONS);
    const producer = await driver.producer({ idempotent: true });
    const reader = await driver.reader(topic, new Map([[0, 'earliest'], [1, 'earliest']]));
    let sent = 0;
    const send = async () => {
      const from = sent;
      sent += SEND;
      const some = Array.from({ length: SEND }, (_, n) => from + n);
      await producer.send(topic, some.map(n => ({ partition: n % PARTITIONS, value: Buffer.from(String(n)) })));
    };
    const several = async () => {
      for (let n = 0; n < AROUND; n += 1) {
        await send();
      }
    };
    await several();
    let done = false;
    const restarted = control(verb).finally(() => { done = true; });
    for (let sends = 0; !done && sends < MOST; sends += 1) {
      await send();
      await pause(BETWEEN_MS);
    }
    await restarted;
    await several();
    await producer.close();
    await eventually(() => {
      reader.works('the reader that lived through it');
      ensure(reader.records.length >= sent, `the reader that lived through it: ${progress(reader.records, sent)}`);
    }, RECOVERY_MS);
    inOrder(reader.records, sent, 'the reader that lived through it');
    await reader.close();
    inOrder(await driver.readAll(topic), sent, 'a new reader');
  };
}

module.exports = { features: [['restart_clean', restart('restart')], ['restart_kill', restart('kill')]] };
