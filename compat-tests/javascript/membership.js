// What one consumer has been given and has read, told in events: the common form in which features judge every client.
'use strict';

const { EventEmitter } = require('node:events');

const { Hopeless, ensure, eventually, same, shown } = require('./expect');

/**
 * The life of one consumer. The driver tells it `assigned`, `revoked`, `took` and `failed`; a feature reads the fields and waits.
 *
 * Events: `assigned` (complete list), `revoked` (list), `record`, `committed` ({partition: next}).
 * `rebalances` has one {kind, partitions} for each change, `records` all records in the order of arrival. `positions` is what may
 * be committed: the next offset by partition, only for what is owned now and was read under this assignment.
 */
class Membership extends EventEmitter {
  constructor() {
    super();
    this.owned = [];
    this.rebalances = [];
    this.records = [];
    this.positions = new Map();
    this.error = null;
  }

  /** `partitions` is the complete assignment ({topic, partition} each), or what comes to it if `incremental`. */
  assigned(partitions, incremental = false) {
    this.rebalances.push({ kind: 'assigned', partitions });
    this.owned = incremental ? [...this.owned, ...partitions] : partitions;
    if (!incremental) {
      this.positions.clear();
    }
    this.emit('assigned', this.owned);
  }

  revoked(partitions) {
    this.rebalances.push({ kind: 'revoked', partitions });
    const gone = new Set(partitions.map(key));
    this.owned = this.owned.filter(one => !gone.has(key(one)));
    partitions.forEach(one => this.positions.delete(key(one)));
    this.emit('revoked', partitions);
  }

  took(record) {
    this.records.push(record);
    if (this.owned.some(one => key(one) === key(record))) {
      this.positions.set(key(record), { topic: record.topic, partition: record.partition, offset: record.offset + 1 });
    }
    this.emit('record', record);
  }

  failed(error) {
    this.error = error;
  }

  /** Throws if it came to its end by itself. */
  works(what) {
    if (this.error) {
      throw new Hopeless(`${what} failed: ${this.error.message}`);
    }
  }

  /** The numbers of the owned partitions, in order. */
  get partitions() {
    return this.owned.map(one => one.partition).sort((a, b) => a - b);
  }

  /** Waits until it owns `count` partitions. */
  async owns(count, what) {
    await eventually(() => {
      this.works(what);
      same(count, this.owned.length, `partitions of ${what}`);
    });
  }

  /** Waits until it has read `count` records. */
  async read(count, what) {
    await eventually(() => {
      this.works(what);
      const seen = `got ${this.records.length}; it owns ${shown(this.partitions)}`;
      ensure(this.records.length >= count, `records of ${what}: expected ${count}, ${seen}`);
    });
  }
}

function key({ topic, partition }) {
  return `${topic}/${partition}`;
}

module.exports = { Membership };
