"""Topics, produced records and full reads of some partitions: what most features begin or end with. Without groups."""

import time

from compat.expect import PATIENCE, Unmet, ensure, same, until
from compat.port import END, START, UNKNOWN_TOPIC_OR_PARTITION, UNLED


def create(client, feature, partitions=1, configs=None):
    """Creates the feature's topic, waits until it is shown with its partitions, and returns its name."""
    topic = client.name(feature)
    admin = client.keep(client.admin())
    admin.create_topic(topic, partitions, configs)
    until(lambda: shown(client, admin, topic, partitions))
    until(lambda: led(client, admin, topic, partitions))
    return topic


def led(client, admin, topic, partitions):
    """Every partition has a leader at work.

    A real Kafka shows a partition a moment before its leader takes records. An idempotent producer that pipelines could then
    have its first batch refused and its second taken as the first; the retried first is then taken for a duplicate, and lost.
    """
    try:
        admin.offsets(topic, range(partitions), END)
    except Exception as error:
        if client.code(error) not in UNLED:
            raise
        raise Unmet(f"a partition of {topic} has no leader at work: {error}") from error


def shown(client, admin, topic, partitions):
    """The topic is shown with that many partitions, each with a leader."""
    try:
        found = admin.partitions(topic)
    except Exception as error:
        if client.code(error) != UNKNOWN_TOPIC_OR_PARTITION:
            raise
        found = []
    same(partitions, len(found), f"partitions of {topic}")
    ensure(all(partition.leader >= 0 for partition in found), f"a partition of {topic} without a leader: {found}")
    return found


def gone(client, admin, topic):
    """The topic is not shown any more."""
    try:
        found = admin.partitions(topic)
    except Exception as error:
        if client.code(error) != UNKNOWN_TOPIC_OR_PARTITION:
            raise
    else:
        raise Unmet(f"expected {topic} to be unknown, got {found}")


def produce(client, topic, records, by=None, **options):
    """Sends the records, given as keyword arguments of `Producer.send`, and waits for them; what `send` returned.

    The producer is `by` or one of its own, with these options.
    """
    producer = by or client.producer(**options)
    try:
        sent = [producer.send(topic, **record) for record in records]
        producer.flush()
    finally:
        if not by:
            producer.close()
    return sent


def produce_numbers(client, topic, partition, numbers, by=None):
    """Sends numbers as text to one partition."""
    produce(client, topic, [{"value": b"%d" % number, "partition": partition} for number in numbers], by)


def read_all(client, topic, partitions, **options):
    """Everything of the first `partitions` partitions, up to the end offsets of now."""
    return read_from(client, topic, {partition: START for partition in range(partitions)}, **options)


def read_from(client, topic, places, **options):
    """Everything from the places on up to the end offsets of now."""
    admin = client.admin()
    try:
        starts, ends = admin.offsets(topic, list(places), START), admin.offsets(topic, list(places), END)
    finally:
        admin.close()
    left = {}
    for partition, place in places.items():
        first = starts[partition][0] if place == START else place
        if first < ends[partition][0]:
            left[partition] = ends[partition][0]
    consumer = client.consumer(**options)
    try:
        if left:
            consumer.assign(topic, {partition: places[partition] for partition in left})
        return read_until(consumer, left)
    finally:
        consumer.close()


def read_until(consumer, left):
    """Records up to the end offsets in `left`: partition -> end."""
    left = dict(left)
    read = []
    deadline = time.monotonic() + PATIENCE
    while left:
        ensure(time.monotonic() < deadline, f"after {PATIENCE:g} s and {len(read)} records: ends not reached {left}")
        for record in consumer.read(0.2):
            read.append(record)
            if record.offset + 1 >= left.get(record.partition, record.offset + 2):
                del left[record.partition]
    return read


def read_one(consumer, seconds=PATIENCE):
    """The next record."""
    deadline = time.monotonic() + seconds
    while True:
        records = consumer.read(0.2)
        if records:
            return records[0]
        ensure(time.monotonic() < deadline, f"no record within {seconds:g} s")
