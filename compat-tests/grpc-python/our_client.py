"""What a client generated from this repository's files does: topics, keys, headers, bulk, admin, health, reflection."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "ours"))

import grpc
from admin.v1 import admin_pb2, admin_pb2_grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from log.v1 import log_pb2, log_pb2_grpc

from report import ADDRESSES, PATIENCE, RUN, run, same


def stub(address):
    return log_pb2_grpc.LogStub(grpc.insecure_channel(address))


def leader(topic, partition=0):
    asked = log_pb2.GetServersRequest(topic=topic, partition=partition)
    servers = stub(ADDRESSES[0]).GetServers(asked, timeout=PATIENCE).servers
    return stub(next(server.rpc_addr for server in servers if server.is_leader))


def info_of(error):
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    next(detail for detail in status.details if detail.Is(info.DESCRIPTOR)).Unpack(info)
    return info


def refused(call, *arguments):
    """The error of a call that must fail."""
    try:
        call(*arguments, timeout=PATIENCE)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"not refused: {arguments}")


def by_controller(call, request):
    """Asks the node that has to do it, wherever that is."""
    address = ADDRESSES[0]
    while True:
        try:
            return getattr(admin_pb2_grpc.AdminStub(grpc.insecure_channel(address)), call)(request, timeout=PATIENCE)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            address = info_of(error).metadata["rpc_addr"]


def create(name, partitions=1):
    topic = f"grpc-{name}-{RUN}"
    by_controller("CreateTopic", admin_pb2.CreateTopicRequest(name=topic, partitions=partitions))
    return topic


def read(log, topic, count, partition=0):
    """The first `count` records."""
    found = []
    asked = log_pb2.ConsumeRequest(topic=topic, partition=partition, max_records=1000)
    for message in log.ConsumeStream(asked, timeout=PATIENCE):
        found += message.records
        if len(found) >= count:
            return found


def records():
    topic = create("records")
    log = leader(topic)
    sent = [
        log_pb2.Record(value=b"v", key=b"k", timestamp=1_700_000_000_000, headers=[log_pb2.Header(key="h", value=b"1"), log_pb2.Header(key="h")]),
        log_pb2.Record(key=b"k", tombstone=True, timestamp=1),
        log_pb2.Record(value=b"", timestamp=2),
    ]
    for offset, one in enumerate(sent):
        same(offset, log.Produce(log_pb2.ProduceRequest(record=one, topic=topic), timeout=PATIENCE).offset, "offset")
    found = read(log, topic, 3)
    for offset, (one, seen) in enumerate(zip(sent, found)):
        one.offset, one.term = offset, seen.term
        same(one, seen, f"record {offset}")


def follow():
    topic = create("follow", 2)
    log = leader(topic, 1)
    reading = log.ConsumeStream(log_pb2.ConsumeRequest(topic=topic, partition=1), timeout=PATIENCE)
    requests = (log_pb2.ProduceRequest(record=log_pb2.Record(value=str(n).encode()), topic=topic, partition=1) for n in range(5000))
    acks = [ack.offset for ack in log.ProduceStream(requests, timeout=PATIENCE)]
    same(list(range(5000)), acks, "acks")
    same([str(n).encode() for n in range(5000)], [next(reading).record.value for _ in range(5000)], "what was followed")
    reading.cancel()
    resumed = log.ConsumeStream(log_pb2.ConsumeRequest(topic=topic, partition=1, offset=4000), timeout=PATIENCE)
    same(4000, next(resumed).record.offset, "where it resumed")
    resumed.cancel()


def bulk():
    topic = create("bulk")
    batch = log_pb2.ProduceBatchesRequest(topic=topic, records=[log_pb2.Record(value=b"x" * 1000)] * 1000)
    done = leader(topic).ProduceBatches(iter([batch] * 10), timeout=PATIENCE)
    same((10_000, 1), (done.records, len(done.ranges)), "records and ranges")
    same((0, 9999, 10_000), (done.ranges[0].first_offset, done.ranges[0].last_offset, done.ranges[0].records), "range")


def compression():
    topic = create("compression")
    log = leader(topic)
    value = b"long " * 20_000
    packed = {"compression": grpc.Compression.Gzip, "timeout": PATIENCE}
    log.Produce(log_pb2.ProduceRequest(record=log_pb2.Record(value=value), topic=topic), **packed)
    same(value, log.Consume(log_pb2.ConsumeRequest(topic=topic), **packed).record.value, "value")


def kafka_agrees():
    topic = create("kafka")
    producer = KafkaProducer(bootstrap_servers=os.environ["BOOTSTRAP"], compression_type="gzip")
    log = leader(topic)
    for n in range(20):
        value, key = f"value {n}".encode(), f"key {n}".encode()
        if n % 2:
            offset = producer.send(topic, value, key, headers=[("n", b"1")]).get(PATIENCE).offset
        else:
            one = log_pb2.Record(value=value, key=key, headers=[log_pb2.Header(key="n", value=b"1")])
            offset = log.Produce(log_pb2.ProduceRequest(record=one, topic=topic), timeout=PATIENCE).offset
        same(n, offset, "offset")
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=os.environ["BOOTSTRAP"], auto_offset_reset="earliest", consumer_timeout_ms=PATIENCE * 1000)
    consumer.assign([TopicPartition(topic, 0)])
    by_kafka = [next(consumer) for _ in range(20)]
    consumer.close()
    by_grpc = read(log, topic, 20)
    for theirs, ours in zip(by_kafka, by_grpc):
        seen = (ours.offset, ours.key, ours.value, ours.timestamp, [(header.key, header.value) for header in ours.headers])
        same((theirs.offset, theirs.key, theirs.value, theirs.timestamp, list(theirs.headers)), seen, "a record")


def errors():
    topic = create("errors")
    log = leader(topic)
    missing = refused(log.Consume, log_pb2.ConsumeRequest(topic="grpc-no-such-topic"))
    same((grpc.StatusCode.NOT_FOUND, "UNKNOWN_TOPIC"), (missing.code(), info_of(missing).reason), "unknown topic")
    large = refused(log.Produce, log_pb2.ProduceRequest(topic=topic, record=log_pb2.Record(value=bytes(2_000_000))))
    same((grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RECORD"), (large.code(), info_of(large).reason), "too large")
    for address in ADDRESSES:
        try:
            stub(address).Produce(log_pb2.ProduceRequest(topic=topic, record=log_pb2.Record(value=b"x")), timeout=PATIENCE)
        except grpc.RpcError as error:
            same("NOT_LEADER", info_of(error).reason, "reason")
            same(True, info_of(error).metadata["rpc_addr"] in ADDRESSES, "the leader's address")


def admin():
    topic = create("admin", 3)
    stubs = [admin_pb2_grpc.AdminStub(grpc.insecure_channel(address)) for address in ADDRESSES]
    described = stubs[0].DescribeTopic(admin_pb2.DescribeTopicRequest(name=topic), timeout=PATIENCE)
    same(3, len(described.partitions), "partitions")
    listed = stubs[0].ListTopics(admin_pb2.ListTopicsRequest(), timeout=PATIENCE).topics
    same(True, topic in [one.name for one in listed], "in the list")
    group = f"grpc-group-{RUN}"
    producer = KafkaProducer(bootstrap_servers=os.environ["BOOTSTRAP"])
    for n in range(5):
        producer.send(topic, b"x", partition=0).get(PATIENCE)
    producer.close()
    consumer = KafkaConsumer(topic, bootstrap_servers=os.environ["BOOTSTRAP"], group_id=group, auto_offset_reset="earliest", enable_auto_commit=False)
    next(consumer)
    consumer.commit()
    consumer.close()
    shown = by_controller("DescribeGroup", admin_pb2.DescribeGroupRequest(name=group))
    one = next(offset for offset in shown.offsets if offset.partition == 0)
    same(("Empty", 1), (shown.state, one.committed_offset), "the group")
    if len(ADDRESSES) == 1:
        same((5, 4), (one.end_offset, one.lag), "end and lag")
    same(True, any(group in [one.name for one in each.ListGroups(admin_pb2.ListGroupsRequest(), timeout=PATIENCE).groups] for each in stubs), "in a list")
    by_controller("DeleteGroup", admin_pb2.DeleteGroupRequest(name=group))
    by_controller("DeleteTopic", admin_pb2.DeleteTopicRequest(name=topic))
    gone = refused(stubs[0].DescribeTopic, admin_pb2.DescribeTopicRequest(name=topic)) if len(ADDRESSES) == 1 else None
    if gone:
        same(grpc.StatusCode.NOT_FOUND, gone.code(), "a deleted topic")


def health():
    for address in ADDRESSES:
        checks = health_pb2_grpc.HealthStub(grpc.insecure_channel(address))
        for service in ("", "log.v1.Log", "admin.v1.Admin"):
            status = checks.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE).status
            same(health_pb2.HealthCheckResponse.SERVING, status, service)


def reflection():
    database = ProtoReflectionDescriptorDatabase(grpc.insecure_channel(ADDRESSES[0]))
    services = database.get_services()
    for service in ("log.v1.Log", "admin.v1.Admin", "grpc.health.v1.Health"):
        same(True, service in services, service)
    methods = DescriptorPool(database).FindServiceByName("log.v1.Log").methods_by_name
    same(sorted(["Produce", "Consume", "ConsumeStream", "ProduceStream", "GetServers", "ProduceBatches"]), sorted(methods), "methods")


run({
    "grpc_records": records, "grpc_follow": follow, "grpc_bulk": bulk, "grpc_compression": compression,
    "grpc_kafka_agrees": kafka_agrees, "grpc_errors": errors, "grpc_admin": admin, "grpc_health": health, "grpc_reflection": reflection,
})
