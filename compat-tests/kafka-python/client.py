"""The port filled by kafka-python, the client that is Python throughout."""

import math

import kafka
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import BrokerResponseError, CommitFailedError, KafkaError, NoError, RebalanceInProgressError, for_code
from kafka.structs import OffsetAndMetadata, TopicPartition

from compat import port
from compat.expect import PATIENCE

PATIENCE_MS = int(PATIENCE * 1000)
ASSIGNORS = {"range": RangePartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
RESETS = {port.START: "earliest", port.END: "latest", None: "none"}
SPECS = {
    port.START: kafka.OffsetSpec.EARLIEST, port.END: kafka.OffsetSpec.LATEST,
    port.MAX_TIMESTAMP: kafka.OffsetSpec.MAX_TIMESTAMP}
# The error codes of a member that the group gave up: the next poll joins anew.
GIVEN_UP = {22, 25, 27}
OPTIONS = {"instance": "group_instance_id", "client_id": "client_id", "metadata_ms": "metadata_max_age_ms"}
MOST_READ = 500


class Client(port.Client):
    family = "kafka-python"
    lacking = frozenset({"alter_configs"})
    tells_config_errors = False
    null_headers = False

    @staticmethod
    def version():
        return f"kafka-python {kafka.__version__}"

    @staticmethod
    def code(error):
        return error.errno if isinstance(error, BrokerResponseError) else None

    @staticmethod
    def passing(error):
        if not isinstance(error, KafkaError):
            return isinstance(error, OSError)
        return error.retriable or isinstance(error, CommitFailedError | RebalanceInProgressError) or Client.code(error) in GIVEN_UP

    def settings(self, **more):
        """kafka-python's settings; the reconnect is quick, as a broker comes back within seconds."""
        return {"bootstrap_servers": self.bootstrap, "reconnect_backoff_max_ms": 500, **more}

    def admin(self):
        return Admin(self.settings())

    def producer(self, codec=None, acks="all", idempotent=True, largest=1_000_000):
        return Producer(self.settings(
            compression_type=codec, acks="all" if acks == "all" else int(acks), enable_idempotence=idempotent,
            max_request_size=largest, linger_ms=5))

    def consumer(self, group=None, reset=port.START, **options):
        settings = self.settings(
            group_id=group, auto_offset_reset=RESETS[reset], enable_auto_commit=False, fetch_max_wait_ms=options.get("wait_ms", 200))
        if group:
            settings |= {
                "session_timeout_ms": port.SESSION_MS, "heartbeat_interval_ms": port.HEARTBEAT_MS,
                "max_poll_interval_ms": port.REBALANCE_MS,
                "partition_assignment_strategy": [ASSIGNORS[options.get("assignor", "range")]]}
        settings |= {setting: options[option] for option, setting in OPTIONS.items() if option in options}
        if "fetch_bytes" in options:
            settings |= {"fetch_max_bytes": options["fetch_bytes"], "max_partition_fetch_bytes": options["fetch_bytes"]}
        return Consumer(settings)


class Admin(port.Admin):
    def __init__(self, settings):
        self.admin = kafka.KafkaAdminClient(**settings)

    def close(self):
        self.admin.close()

    def cluster(self):
        described = self.admin.describe_cluster()
        nodes = {node["broker_id"]: f"{node['host']}:{node['port']}" for node in described["brokers"]}
        return port.Cluster(nodes, described["controller_id"], described["cluster_id"])

    def create_topic(self, topic, partitions, configs=None):
        wanted = {"num_partitions": partitions, "replication_factor": port.replicas(), "configs": configs or {}}
        self.admin.create_topics({topic: wanted})

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def partitions(self, topic):
        (described,) = self.admin.describe_topics([topic])
        accepted(described["error_code"], topic)
        return [
            port.Partition(one["partition_index"], one["leader_id"], list(one["isr_nodes"]))
            for one in sorted(described["partitions"], key=lambda one: one["partition_index"])]

    def create_partitions(self, topic, count):
        self.admin.create_partitions({topic: count})

    def configs(self, topic):
        return self._configs(ConfigResourceType.TOPIC, topic)

    def broker_configs(self, node):
        return self._configs(ConfigResourceType.BROKER, str(node))

    def _configs(self, kind, name):
        described = self.admin.describe_configs([ConfigResource(kind, name)], config_filter="all")
        configs = described[kind.name.lower()][name]
        return {key: (one["value"], SOURCES.get(one["config_source"])) for key, one in configs.items()}

    def alter_incrementally(self, topic, operation, name, value):
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, {name: (AlterConfigOp[operation], value)})
        outcome = self.admin.alter_configs([resource], incremental=True)["topic"][topic]
        if outcome != "OK":
            raise told(outcome)

    def delete_records(self, topic, partition, before):
        place = TopicPartition(topic, partition)
        return self.admin.delete_records({place: before})[place]["low_watermark"]

    def offsets(self, topic, partitions, at):
        asked = {TopicPartition(topic, partition): SPECS.get(at, at) for partition in partitions}
        return {place.partition: (one.offset, one.timestamp) for place, one in self.admin.list_partition_offsets(asked).items()}

    def group_offsets(self, group, topic, partitions):
        answer = self.admin.list_group_offsets({group: [TopicPartition(topic, partition) for partition in partitions]})
        return {place.partition: (one.offset, one.metadata) for place, one in answer[group].items() if one.offset >= 0}

    def list_groups(self):
        return {one["group_id"]: one.get("group_state") for one in self.admin.list_groups()}

    def describe_group(self, group):
        described = self.admin.describe_groups([group])[group]
        members = [
            port.Member(one["client_id"], one.get("group_instance_id"), {
                (assigned["topic"], partition)
                for assigned in (one["member_assignment"] or {}).get("assigned_partitions", [])
                for partition in assigned["partitions"]})
            for one in described["members"]]
        return port.Group(described["group_state"], described["protocol_type"], described["protocol_data"] or None, members)

    def alter_group_offsets(self, group, topic, offsets):
        places = {TopicPartition(topic, partition): OffsetAndMetadata(offset) for partition, offset in offsets.items()}
        self._accepted_each(self.admin.alter_group_offsets(group, places))

    def delete_group_offsets(self, group, topic, partitions):
        self._accepted_each(self.admin.delete_group_offsets(group, [TopicPartition(topic, partition) for partition in partitions]))

    def delete_group(self, group):
        outcome = self.admin.delete_groups([group])[group]
        if outcome != "OK":
            raise told(outcome)

    @staticmethod
    def _accepted_each(outcomes):
        for what, error in outcomes.items():
            if error is not NoError:
                raise error(what)


# What may be told as text.
REFUSALS = (port.INVALID_CONFIG, port.NON_EMPTY_GROUP)
SOURCES = {"DYNAMIC_TOPIC_CONFIG": port.DYNAMIC_TOPIC_CONFIG, "DEFAULT_CONFIG": port.DEFAULT_CONFIG}


def accepted(code, what):
    """Raises the error of a code that is not 0."""
    if code:
        raise for_code(code)(what)


def told(outcome):
    """The error of an outcome that the client tells only as text, which begins with the error's code or has its class's name."""
    for code in REFUSALS:
        if for_code(code).__name__ in outcome or outcome.startswith(f"[Error {code}]"):
            return for_code(code)(outcome)
    return KafkaError(outcome)


class Sent:
    """One record on its way."""

    def __init__(self, future):
        self.future = future

    def offset(self):
        return self.future.get(0).offset


class Producer(port.Producer):
    def __init__(self, settings):
        self.producer = kafka.KafkaProducer(**settings)
        self.flying = []

    def send(self, topic, value, key=None, partition=None, timestamp=None, headers=None):
        future = self.producer.send(topic, value=value, key=key, partition=partition, timestamp_ms=timestamp, headers=headers or [])
        self.flying.append(future)
        return Sent(future)

    def flush(self):
        self.producer.flush(2 * PATIENCE)
        flying, self.flying = self.flying, []
        for future in flying:
            future.get(0)

    def close(self):
        self.producer.close(timeout=1)


class Consumer(port.Consumer):
    def __init__(self, settings):
        self.consumer = kafka.KafkaConsumer(**settings)
        self.listener = None

    def assign(self, topic, places):
        self.consumer.assign([TopicPartition(topic, partition) for partition in places])
        for partition, place in places.items():
            if place == port.START:
                self.consumer.seek_to_beginning(TopicPartition(topic, partition))
            elif place == port.END:
                self.consumer.seek_to_end(TopicPartition(topic, partition))
            else:
                self.consumer.seek(TopicPartition(topic, partition), place)

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition), offset)

    def read(self, seconds):
        batches = self.consumer.poll(math.ceil(seconds * 1000), max_records=MOST_READ)
        return [record(one) for batch in batches.values() for one in batch]

    def subscribe(self, listener, topics=None, pattern=None):
        self.listener = listener
        self.consumer.subscribe(topics or (), pattern=pattern, listener=Rebalances(self))

    def poll(self, seconds):
        for one in self.read(seconds):
            self.listener.record(one)

    def commit(self):
        due = self.listener.due()
        if due:
            self.consumer.commit(places(due), timeout_ms=PATIENCE_MS // 2)
            self.listener.committed(due)

    def close(self):
        self.consumer.close()


class Rebalances(kafka.AsyncConsumerRebalanceListener):
    """Called by the client's own loop while a `poll` or `close` waits, where only the asynchronous commit may be used."""

    def __init__(self, consumer):
        self.consumer = consumer

    async def on_partitions_assigned(self, assigned):
        self.consumer.listener.assigned([tuple(place) for place in assigned])

    async def on_partitions_revoked(self, revoked):
        if not revoked:
            return
        due = self.consumer.listener.due()
        if due:
            try:
                # None is the outcome of a commit; while the coordinator is unknown the outcome is that of the question for it.
                if await self.consumer.consumer.commit_async(places(due)) is None:
                    self.consumer.listener.committed(due)
            except KafkaError as error:
                if not Client.passing(error):
                    raise
        await self.on_partitions_lost(revoked)

    async def on_partitions_lost(self, lost):
        self.consumer.listener.revoked([tuple(place) for place in lost])


def places(due):
    """What is due in the client's own words."""
    return {TopicPartition(*place): OffsetAndMetadata(offset, text, -1) for place, (offset, text) in due.items()}


def record(one):
    """The port's record."""
    return port.Record(one.topic, one.partition, one.offset, one.timestamp, one.key, one.value, list(one.headers))
