"""The port filled by confluent-kafka, the Python binding of librdkafka."""

import time
from concurrent.futures import Future

import confluent_kafka
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType)

from compat import port
from compat.expect import PATIENCE

# What goes by itself: the connection, the coordinator, the generation; librdkafka retries or rejoins.
PASSING = {
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._RESOLVE, KafkaError._WAIT_COORD,
    KafkaError._STATE, KafkaError._IN_PROGRESS, KafkaError._NO_OFFSET, KafkaError._ASSIGNMENT_LOST, KafkaError._TIMED_OUT_QUEUE,
    KafkaError.REQUEST_TIMED_OUT, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._MAX_POLL_EXCEEDED,
}
# librdkafka refuses by itself what the broker would refuse.
SAME_AS = {KafkaError._AUTO_OFFSET_RESET: port.OFFSET_OUT_OF_RANGE, KafkaError._UNKNOWN_TOPIC: port.UNKNOWN_TOPIC_OR_PARTITION}
PLACES = {port.START: confluent_kafka.OFFSET_BEGINNING, port.END: confluent_kafka.OFFSET_END}
RESETS = {port.START: "earliest", port.END: "latest", None: "error"}
OPTIONS = {
    "instance": "group.instance.id", "client_id": "client.id", "metadata_ms": "topic.metadata.refresh.interval.ms",
    "fetch_bytes": "fetch.message.max.bytes"}
MOST_READ = 500


class Client(port.Client):
    family = "confluent-python"
    lacking = frozenset({"delete_group_offsets"})

    @staticmethod
    def version():
        return f"confluent-kafka {confluent_kafka.__version__}"

    @staticmethod
    def code(error):
        if not isinstance(error, KafkaException):
            return None
        code = error.args[0].code()
        if code == KafkaError._AUTO_OFFSET_RESET and "out of range" not in error.args[0].str():
            return None
        return SAME_AS.get(code, code)

    @staticmethod
    def passing(error):
        return isinstance(error, KafkaException) and error.args[0].code() in PASSING

    def settings(self, **more):
        """librdkafka's settings; the reconnect is quick, as a broker comes back within seconds."""
        return {"bootstrap.servers": self.bootstrap, "reconnect.backoff.max.ms": 500, "log_level": 0, **more}

    def admin(self):
        return Admin(self.settings())

    def producer(self, codec=None, acks="all", idempotent=True, largest=1_000_000):
        return Producer(self.settings(**{
            "compression.type": codec or "none", "acks": acks, "enable.idempotence": idempotent, "message.max.bytes": largest,
            "linger.ms": 5}))

    def consumer(self, group=None, reset=port.START, **options):
        settings = self.settings(**{
            "group.id": group or "unused", "auto.offset.reset": RESETS[reset], "enable.auto.commit": False,
            "enable.auto.offset.store": False, "session.timeout.ms": port.SESSION_MS, "heartbeat.interval.ms": port.HEARTBEAT_MS,
            "max.poll.interval.ms": port.REBALANCE_MS, "partition.assignment.strategy": options.get("assignor", "range"),
            "fetch.wait.max.ms": options.get("wait_ms", 200)})
        settings |= {setting: options[option] for option, setting in OPTIONS.items() if option in options}
        return Consumer(settings)


class Admin(port.Admin):
    def __init__(self, settings):
        self.admin = AdminClient(settings)

    def close(self):
        self.admin = None  # it has no close; the last reference ends it

    def cluster(self):
        described = self.admin.describe_cluster(request_timeout=PATIENCE).result()
        nodes = {node.id: f"{node.host}:{node.port}" for node in described.nodes}
        return port.Cluster(nodes, described.controller.id, described.cluster_id)

    def create_topic(self, topic, partitions, configs=None):
        self._one(self.admin.create_topics([NewTopic(topic, partitions, port.replicas(), config=configs or {})]))

    def delete_topic(self, topic):
        self._one(self.admin.delete_topics([topic]))

    def partitions(self, topic):
        described = self._one(self.admin.describe_topics(TopicCollection([topic]), request_timeout=PATIENCE))
        return [
            port.Partition(one.id, one.leader.id if one.leader else -1, [node.id for node in one.isr])
            for one in described.partitions]

    def create_partitions(self, topic, count):
        self._one(self.admin.create_partitions([NewPartitions(topic, count)]))

    def configs(self, topic):
        return self._configs(ConfigResource(ResourceType.TOPIC, topic))

    def broker_configs(self, node):
        return self._configs(ConfigResource(ResourceType.BROKER, str(node)))

    def _configs(self, resource):
        return {name: (entry.value, entry.source) for name, entry in self._one(self.admin.describe_configs([resource])).items()}

    def alter_incrementally(self, topic, operation, name, value):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType[operation])
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        self._one(self.admin.incremental_alter_configs([resource]))

    def alter_configs(self, topic, configs):
        self._one(self.admin.alter_configs([ConfigResource(ResourceType.TOPIC, topic, set_config=configs)]))

    def delete_records(self, topic, partition, before):
        before = confluent_kafka.OFFSET_END if before == -1 else before
        return self._one(self.admin.delete_records([TopicPartition(topic, partition, before)])).low_watermark

    def offsets(self, topic, partitions, at):
        named = {port.START: OffsetSpec.earliest, port.END: OffsetSpec.latest, port.MAX_TIMESTAMP: OffsetSpec.max_timestamp}
        spec = named[at]() if at in named else OffsetSpec.for_timestamp(at)
        places = {TopicPartition(topic, partition): spec for partition in partitions}
        asked = self.admin.list_offsets(places, request_timeout=PATIENCE)
        answers = {place.partition: future.result() for place, future in asked.items()}
        return {partition: (answer.offset, answer.timestamp) for partition, answer in answers.items()}

    def group_offsets(self, group, topic, partitions):
        asked = [TopicPartition(topic, partition) for partition in partitions]
        answer = self._one(self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, asked)]))
        return {place.partition: (place.offset, place.metadata or "") for place in answered(answer) if place.offset >= 0}

    def list_groups(self):
        listed = self.admin.list_consumer_groups(request_timeout=PATIENCE).result()
        for error in listed.errors:
            raise error
        return {one.group_id: camel(one.state) for one in listed.valid}

    def describe_group(self, group):
        described = self._one(self.admin.describe_consumer_groups([group], request_timeout=PATIENCE))
        members = [
            port.Member(one.client_id, one.group_instance_id, pairs(one.assignment.topic_partitions)) for one in described.members]
        return port.Group(camel(described.state), None, described.partition_assignor or None, members)

    def alter_group_offsets(self, group, topic, offsets):
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        answered(self._one(self.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])))

    def delete_group(self, group):
        self._one(self.admin.delete_consumer_groups([group], request_timeout=PATIENCE))

    @staticmethod
    def _one(futures):
        """The answer for the only thing that was asked for."""
        (future,) = futures.values()
        return future.result(PATIENCE)


class Sent:
    """One record on its way."""

    def __init__(self):
        self.delivered = Future()

    def offset(self):
        return self.delivered.result(0)


class Producer(port.Producer):
    def __init__(self, settings):
        self.producer = confluent_kafka.Producer(settings)
        self.refusal = None

    def send(self, topic, value, key=None, partition=None, timestamp=None, headers=None):
        sent = Sent()

        def delivered(error, message):
            if error is None:
                sent.delivered.set_result(message.offset())
            else:
                self.refusal = self.refusal or KafkaException(error)
                sent.delivered.set_exception(KafkaException(error))
        optional = {"partition": partition, "timestamp": timestamp, "headers": headers}
        given = {name: one for name, one in optional.items() if one is not None}
        self.producer.produce(topic, value=value, key=key, on_delivery=delivered, **given)
        self.producer.poll(0)
        return sent

    def flush(self):
        left = self.producer.flush(2 * PATIENCE)
        refusal, self.refusal = self.refusal, None
        if refusal:
            raise refusal
        if left:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{left} records not acknowledged within {2 * PATIENCE:g} s"))

    def close(self):
        self.producer.purge()
        self.producer.flush(1)


class Consumer(port.Consumer):
    def __init__(self, settings):
        self.consumer = confluent_kafka.Consumer(settings)
        self.listener = None

    def assign(self, topic, places):
        self.consumer.assign([TopicPartition(topic, partition, PLACES.get(place, place)) for partition, place in places.items()])

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition, offset))

    def read(self, seconds):
        # Not `consume`, which waits for all of `seconds` unless it finds as many records as it may bring.
        records = []
        message = self.consumer.poll(seconds)
        while message is not None and len(records) < MOST_READ:
            records.append(record(message))
            message = self.consumer.poll(0)
        return records + ([record(message)] if message is not None else [])

    def subscribe(self, listener, topics=None, pattern=None):
        self.listener = listener
        self.consumer.subscribe(
            [pattern] if pattern else topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def poll(self, seconds):
        # One by one, since a rebalance may be told between two records.
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            message = self.consumer.poll(left)
            if message is not None:
                self.listener.record(record(message))

    def commit(self):
        due = self.listener.due()
        if due:
            places = [TopicPartition(topic, partition, offset, text) for (topic, partition), (offset, text) in due.items()]
            answered(self.consumer.commit(offsets=places, asynchronous=False))
            self.listener.committed(due)

    def close(self):
        self.consumer.close()

    def _assigned(self, _, places):
        self.listener.assigned(pairs(places))

    def _revoked(self, _, places):
        try:
            self.commit()
        except KafkaException as error:
            if not Client.passing(error):
                raise
        self._lost(None, places)

    def _lost(self, _, places):
        self.listener.revoked(pairs(places))


def pairs(places):
    """The (topic, partition)s of the places."""
    return {(place.topic, place.partition) for place in places}


def answered(places):
    """The places, or the first error among them."""
    places = getattr(places, "topic_partitions", places)
    for place in places:
        if place.error:
            raise KafkaException(place.error)
    return places


def record(message):
    """The record in a message, or the error that it stands for."""
    if message.error():
        raise KafkaException(message.error())
    return port.Record(
        message.topic(), message.partition(), message.offset(), message.timestamp()[1], message.key(), message.value(),
        list(message.headers() or []))


def camel(state):
    """A group state as Kafka writes it: the binding calls PreparingRebalance PREPARING_REBALANCING."""
    return "".join(word.title() for word in state.name.replace("BALANCING", "BALANCE").split("_"))
