"""The features of records: codecs, keys, headers, null and empty values, sizes, acks, the idempotent producer."""

import random
import time
from functools import partial

from compat.expect import ensure, refused, same, until
from compat.port import MESSAGE_TOO_LARGE
from compat.reading import create, produce, produce_numbers, read_all

CODEC_RECORDS = 400


def round_trip(client, feature, records, **options):
    """Produces records to a topic of one partition and reads them back."""
    topic = create(client, feature)
    produce(client, topic, records, **options)
    read = read_all(client, topic, 1)
    same(len(records), len(read), "records")
    return read


def codec(name, client):
    noise = random.Random(7)
    values = []
    for n in range(CODEC_RECORDS):
        length = noise.randrange(2000)
        values.append(noise.randbytes(length) if n % 2 == 0 else bytes([n % 256]) * length)
    read = round_trip(client, f"codec_{name or 'none'}", [{"value": value} for value in values], codec=name)
    for n, record in enumerate(read):
        ensure(record.offset == n and record.value == values[n], f"record {n} differs, at offset {record.offset}")


def keys(client):
    topic = create(client, "keys", 4)
    records = [{"key": b"key-%d" % (n % 10), "value": b"%d" % n} for n in range(200)]
    produce(client, topic, [*records, {"key": b"", "value": b"empty key"}])
    home, last = {}, {}
    read = read_all(client, topic, 4)
    for record in read:
        if record.value == b"empty key":
            same(b"", record.key, "the empty key")
            continue
        number = int(record.value)
        same(home.setdefault(record.key, record.partition), record.partition, f"partition of {record.key}")
        ensure(last.get(record.key, -1) < number, f"{record.key} is out of order: {number} after {last.get(record.key)}")
        last[record.key] = number
    same((201, 10), (len(read), len(home)), "records and keys")


def headers(client):
    put = [("a", b"1"), ("b", b"x"), ("a", b"2"), ("c", b""), ("é", "ü".encode())]
    if client.null_headers:
        put.append(("d", None))
    read = round_trip(client, "headers", [{"value": b"value", "headers": put}])
    same(put, read[0].headers, "headers in order")


def tombstones(client):
    read = round_trip(client, "tombstones", [{"key": b"k", "value": b"v"}, {"key": b"k", "value": None}])
    same((b"k", None), (read[1].key, read[1].value), "key and value of the tombstone")


def empty_value(client):
    read = round_trip(client, "empty_value", [{"value": b""}])
    same((None, b""), (read[0].key, read[0].value), "key and value")


def timestamps(client):
    before = int(time.time() * 1000)
    read = round_trip(client, "timestamps", [{"value": b"set", "timestamp": 1_600_000_000_123}, {"value": b"now"}])
    same(1_600_000_000_123, read[0].timestamp, "timestamp that was set")
    now = int(time.time() * 1000)
    ensure(before <= read[1].timestamp <= now, f"timestamp of now: expected {before} to {now}, got {read[1].timestamp}")


def acks(client):
    topic = create(client, "acks")
    for number in ("0", "1", "all"):
        produce(client, topic, [{"value": number.encode(), "partition": 0}], acks=number, idempotent=False)

    def all_there():
        # acks=0 promises neither an order against later connections nor an answer to wait for, so the set is awaited.
        same([b"0", b"1", b"all"], sorted(record.value for record in read_all(client, topic, 1)), "values")
    until(all_there)


def idempotent_producer(client):
    topic = create(client, "idempotent_producer", 2)
    producers = [client.keep(client.producer(idempotent=True)) for _ in range(2)]
    for n in range(4000):
        producers[n % 2].send(topic, b"%d" % n, partition=n % 4 // 2)
    for producer in producers:
        producer.flush()
    expected = [0, 1, 2, 3]
    read = read_all(client, topic, 2)
    for record in read:
        number = int(record.value)
        same(expected[number % 4], number, "next number of one producer in one partition")
        expected[number % 4] += 4
    same(4000, len(read), "records")


def large_message(client):
    topic = create(client, "large_message")
    value = random.Random(9).randbytes(900_000)
    produce(client, topic, [{"value": value}])
    # A fetch that may carry less than the batch must still return it whole.
    read = read_all(client, topic, 1, fetch_bytes=10_000)
    ensure(read[0].value == value, "the value differs")


def too_large_message(client):
    topic = create(client, "too_large_message")
    value = random.Random(9).randbytes(2_000_000)
    refused(client, MESSAGE_TOO_LARGE, partial(produce, client, topic, [{"value": value, "partition": 0}], largest=8_000_000))
    produce_numbers(client, topic, 0, range(1))
    same(1, len(read_all(client, topic, 1)), "records")


CHECKS = [
    ("codec_none", partial(codec, None)), ("codec_gzip", partial(codec, "gzip")), ("codec_snappy", partial(codec, "snappy")),
    ("codec_lz4", partial(codec, "lz4")), ("codec_zstd", partial(codec, "zstd")),
    ("keys", keys), ("headers", headers), ("tombstones", tombstones), ("empty_value", empty_value), ("timestamps", timestamps),
    ("acks", acks), ("idempotent_producer", idempotent_producer), ("large_message", large_message),
    ("too_large_message", too_large_message),
]
