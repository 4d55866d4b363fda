"""The admin features: topics, partitions, configs, records deleted, the cluster itself."""

from compat.expect import ensure, refused, same, until
from compat.port import (
    DEFAULT_CONFIG, DYNAMIC_TOPIC_CONFIG, INVALID_CONFIG, INVALID_PARTITIONS, INVALID_TOPIC_EXCEPTION, OFFSET_OUT_OF_RANGE,
    TOPIC_ALREADY_EXISTS, UNKNOWN_TOPIC_OR_PARTITION)
from compat.reading import create, gone, produce, produce_numbers, read_all, shown

DAY = "86400000"
WEEK = "604800000"


def describe_cluster(client):
    cluster = client.keep(client.admin()).cluster()
    same(client.nodes, cluster.nodes, "nodes")
    ensure(cluster.controller in client.nodes, f"controller {cluster.controller}")
    ensure(cluster.cluster_id, "no cluster id")


def create_topic(client):
    topic = create(client, "create_topic", 3, {"retention.ms": DAY})
    admin = client.keep(client.admin())
    for partition in admin.partitions(topic):
        ensure(partition.leader in client.nodes, f"leader {partition.leader} of partition {partition.index}")
        same(sorted(client.nodes), sorted(partition.isr), f"isr of partition {partition.index}")
    refused(client, TOPIC_ALREADY_EXISTS, admin.create_topic, topic, 3)
    refused(client, INVALID_TOPIC_EXCEPTION, admin.create_topic, "not a name", 3)
    refused(client, INVALID_CONFIG, admin.create_topic, f"{topic}-2", 3, {"retention.ms": "soon"})


def auto_create_topic(client):
    topic = client.name("auto_create_topic")
    sent = produce(client, topic, [{"value": b"first"}])
    same(0, sent[0].offset(), "first offset")
    until(lambda: shown(client, client.keep(client.admin()), topic, 1))


def unknown_topic(client):
    topic = client.name("unknown_topic")
    admin = client.keep(client.admin())
    for _ in range(2):  # the first question must not have created it
        refused(client, UNKNOWN_TOPIC_OR_PARTITION, admin.partitions, topic)
    refused(client, UNKNOWN_TOPIC_OR_PARTITION, admin.delete_topic, topic)


def create_partitions(client):
    topic = create(client, "create_partitions", 2)
    admin = client.keep(client.admin())
    admin.create_partitions(topic, 5)
    until(lambda: shown(client, client.keep(client.admin()), topic, 5))
    produce_numbers(client, topic, 4, range(1))
    same(1, len(read_all(client, topic, 5)), "records")
    refused(client, INVALID_PARTITIONS, admin.create_partitions, topic, 3)


def describe_configs(client):
    topic = create(client, "describe_configs", 1, {"max.message.bytes": "500000"})
    admin = client.keep(client.admin())
    configs = admin.configs(topic)
    same(("500000", DYNAMIC_TOPIC_CONFIG), configs.get("max.message.bytes"), "max.message.bytes and its source")
    same((WEEK, DEFAULT_CONFIG), configs.get("retention.ms"), "retention.ms and its source")
    if client.tells_config_errors:
        refused(client, UNKNOWN_TOPIC_OR_PARTITION, admin.configs, f"{topic}-missing")
    else:
        same({}, admin.configs(f"{topic}-missing"), "configs of a missing topic")
    ensure(admin.broker_configs(1), "no broker configs")


def incremental_alter_configs(client):
    topic = create(client, "incremental_alter_configs")
    admin = client.keep(client.admin())

    def alter(operation, name, value, expected):
        admin.alter_incrementally(topic, operation, name, value)
        until(lambda: has_config(admin, topic, name, expected))

    alter("SET", "retention.ms", "1000000", "1000000")
    alter("SET", "segment.bytes", "10485760", "10485760")
    alter("DELETE", "retention.ms", None, WEEK)
    alter("APPEND", "cleanup.policy", "compact", "compact,delete")
    alter("SUBTRACT", "cleanup.policy", "compact", "delete")
    has_config(admin, topic, "segment.bytes", "10485760")
    refused(client, INVALID_CONFIG, admin.alter_incrementally, topic, "SET", "retention.ms", "soon")


def alter_configs(client):
    """The old call, which replaces everything that was set before."""
    topic = create(client, "alter_configs")
    admin = client.keep(client.admin())
    admin.alter_configs(topic, {"retention.ms": "1000000"})
    until(lambda: has_config(admin, topic, "retention.ms", "1000000"))
    admin.alter_configs(topic, {"segment.bytes": "10485760"})
    until(lambda: has_config(admin, topic, "segment.bytes", "10485760"))
    until(lambda: has_config(admin, topic, "retention.ms", WEEK))
    refused(client, INVALID_CONFIG, admin.alter_configs, topic, {"retention.ms": "soon"})


def delete_records(client):
    topic = create(client, "delete_records")
    admin = client.keep(client.admin())
    produce_numbers(client, topic, 0, range(100))
    same(40, admin.delete_records(topic, 0, 40), "low watermark")
    same(list(range(40, 100)), [record.offset for record in read_all(client, topic, 1)], "offsets left")
    same(100, admin.delete_records(topic, 0, -1), "low watermark")
    same([], read_all(client, topic, 1), "records left")
    produce_numbers(client, topic, 0, range(100, 101))
    same([100], [record.offset for record in read_all(client, topic, 1)], "offsets after all were deleted")
    refused(client, OFFSET_OUT_OF_RANGE, admin.delete_records, topic, 0, 1000)


def delete_topic(client):
    topic = create(client, "delete_topic", 2)
    produce_numbers(client, topic, 0, range(10))
    admin = client.keep(client.admin())
    admin.delete_topic(topic)
    until(lambda: gone(client, client.keep(client.admin()), topic))
    refused(client, UNKNOWN_TOPIC_OR_PARTITION, admin.delete_topic, topic)
    create(client, "delete_topic", 1)
    produce_numbers(client, topic, 0, [77])
    read = [(record.offset, record.value) for record in read_all(client, topic, 1)]
    same([(0, b"77")], read, "records of the second topic of that name")


def has_config(admin, topic, name, expected):
    """The topic's config has that value; a list is compared without its order."""
    value, _ = admin.configs(topic)[name]
    same(expected, ",".join(sorted((value or "").split(","))), name)


CHECKS = [
    ("describe_cluster", describe_cluster), ("create_topic", create_topic), ("auto_create_topic", auto_create_topic),
    ("unknown_topic", unknown_topic), ("create_partitions", create_partitions), ("describe_configs", describe_configs),
    ("incremental_alter_configs", incremental_alter_configs), ("alter_configs", alter_configs),
    ("delete_records", delete_records), ("delete_topic", delete_topic),
]
