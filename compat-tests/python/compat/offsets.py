"""The features of reading at a place: assigned partitions, seeks, listed offsets, the end of the log and beyond it."""

import time

from compat.expect import Unmet, ensure, same
from compat.port import END, MAX_TIMESTAMP, OFFSET_OUT_OF_RANGE, START
from compat.reading import create, produce, produce_numbers, read_all, read_from, read_one

# The timestamp of record n is BASE_TIME + n * STEP, in milliseconds, except where a feature says otherwise.
BASE_TIME = 1_700_000_000_000
STEP = 1000


def assigned_partitions(client):
    topic = create(client, "assigned_partitions", 3)
    producer = client.keep(client.producer())
    for partition in range(3):
        produce_numbers(client, topic, partition, range(partition * 1000, partition * 1000 + 100), producer)
    places = [0, 0, 0]
    for record in read_all(client, topic, 3):
        place = places[record.partition]
        same((place, b"%d" % (record.partition * 1000 + place)), (record.offset, record.value), f"in partition {record.partition}")
        places[record.partition] += 1
    same([100, 100, 100], places, "records by partition")
    same({1}, {record.partition for record in read_from(client, topic, {1: START})}, "the only assigned partition")


def seek_offset(client):
    topic = create(client, "seek_offset")
    produce_numbers(client, topic, 0, range(500))
    consumer = client.keep(client.consumer())
    consumer.assign(topic, {0: 317})
    read_one(consumer)
    # Odd places: inside a batch, back again, the first and the last record.
    for offset in (317, 42, 0, 499):
        consumer.seek(topic, 0, offset)
        record = read_one(consumer)
        same((offset, b"%d" % offset), (record.offset, record.value), f"after the seek to {offset}")


def seek_time(client):
    topic = create(client, "seek_time")
    # A flush for every ten, so that the records stand in many batches.
    producer = client.keep(client.producer())
    for start in range(0, 100, 10):
        some = [{"value": b"%d" % n, "timestamp": BASE_TIME + n * STEP, "partition": 0} for n in range(start, start + 10)]
        produce(client, topic, some, producer)
    admin = client.keep(client.admin())
    for at, offset in ((30 * STEP, 30), (30 * STEP + 1, 31), (1 - BASE_TIME, 0)):
        found, timestamp = admin.offsets(topic, [0], BASE_TIME + at)[0]
        same(offset, found, f"offset at {BASE_TIME + at}")
        if timestamp is not None:
            same(BASE_TIME + offset * STEP, timestamp, "its timestamp")
    beyond, _ = admin.offsets(topic, [0], BASE_TIME + 100 * STEP)[0]
    ensure(beyond in (-1, 100), f"offset beyond the last time: expected -1 or the end, got {beyond}")
    place, _ = admin.offsets(topic, [0], BASE_TIME + 70 * STEP)[0]
    same(30, len(read_from(client, topic, {0: place})), "records from a time on")


def list_offsets(client):
    topic = create(client, "list_offsets", 2)
    produce_numbers(client, topic, 1, range(250))
    admin = client.keep(client.admin())
    for at, expected in ((START, [0, 0]), (END, [0, 250])):
        found = admin.offsets(topic, [0, 1], at)
        same(expected, [found[0][0], found[1][0]], f"offsets at the {at}")


def max_timestamp(client):
    topic = create(client, "max_timestamp", 2)
    producer = client.keep(client.producer())
    for after in (5, 90, 40, 90, 10):
        produce(client, topic, [{"value": b"x", "timestamp": BASE_TIME + after, "partition": 0}], producer)
    greatest = client.keep(client.admin()).offsets(topic, [0], MAX_TIMESTAMP)[0]
    same((1, BASE_TIME + 90), greatest, "offset and timestamp of the greatest")


def tail(client):
    topic = create(client, "tail")
    produce_numbers(client, topic, 0, range(5))
    consumer = client.keep(client.consumer(reset=END, wait_ms=15_000))
    consumer.assign(topic, {0: END})
    quiet = time.monotonic() + 1
    while time.monotonic() < quiet:
        same([], consumer.read(0.2), "records beyond the end")
    # The fetch waits on the broker by now; the record must end that wait, not the 15 s.
    began = time.monotonic()
    produce_numbers(client, topic, 0, [5])
    same(b"5", read_one(consumer).value, "value")
    ensure(time.monotonic() - began < 10, "the waiting fetch was not woken within 10 s")


def offset_out_of_range(client):
    topic = create(client, "offset_out_of_range")
    produce_numbers(client, topic, 0, range(5))
    strict = client.keep(client.consumer(reset=None))
    strict.assign(topic, {0: 1000})
    try:
        record = read_one(strict)
    except Unmet:
        raise
    except Exception as error:
        same(OFFSET_OUT_OF_RANGE, client.code(error), f"code of {type(error).__name__}: {error}")
    else:
        raise Unmet(f"expected a refusal with code {OFFSET_OUT_OF_RANGE}, got {record}")
    lenient = client.keep(client.consumer(reset=START))
    lenient.assign(topic, {0: 1000})
    same(0, read_one(lenient).offset, "first offset after the reset")


CHECKS = [
    ("assigned_partitions", assigned_partitions), ("seek_offset", seek_offset), ("seek_time", seek_time),
    ("list_offsets", list_offsets), ("max_timestamp", max_timestamp), ("tail", tail), ("offset_out_of_range", offset_out_of_range),
]
