"""The port filled by aiokafka, the asyncio client. Its clients live in one loop, see `loop`; so do the calls of listeners."""

import asyncio
from contextlib import suppress

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    BrokerResponseError, CommitFailedError, IllegalStateError, KafkaError, UnknownTopicOrPartitionError, for_code)
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from compat import port
from compat.expect import PATIENCE
from loop import Loop

RESETS = {port.START: "earliest", port.END: "latest", None: "none"}
# The error codes of a coordinator that loads or moved, and of a member that the group gave up: the client joins anew.
COORDINATOR = {14, 15, 16, 22, 25, 27}
OPTIONS = {"instance": "group_instance_id", "client_id": "client_id", "metadata_ms": "metadata_max_age_ms"}
MOST_READ = 500
DELIVERY_MS = 120_000
# Longest time of one commit, which the client repeats for as long as its broker is away.
COMMIT_SECONDS = 15


class Client(port.Client):
    family = "aiokafka"
    lacking = frozenset({
        "unknown_topic", "incremental_alter_configs", "max_timestamp", "cooperative", "alter_group_offsets",
        "delete_group_offsets", "delete_group"})

    def __init__(self):
        super().__init__()
        self.loop = self.keep(Loop())

    @staticmethod
    def version():
        return f"aiokafka {aiokafka.__version__}"

    @staticmethod
    def code(error):
        # An offset out of range is raised with the partitions that it is about, and without the code.
        return error.errno if isinstance(error, BrokerResponseError) else None

    @staticmethod
    def passing(error):
        if not isinstance(error, KafkaError):
            return isinstance(error, OSError | TimeoutError)
        return error.retriable or isinstance(error, CommitFailedError | IllegalStateError) or Client.code(error) in COORDINATOR

    def admin(self):
        return Admin(self.loop, self.bootstrap)

    def producer(self, codec=None, acks="all", idempotent=True, largest=1_000_000):
        return Producer(self.loop, {
            "bootstrap_servers": self.bootstrap, "compression_type": codec, "acks": "all" if acks == "all" else int(acks),
            "enable_idempotence": idempotent, "max_request_size": largest, "linger_ms": 5,
            # How long a record waits for its broker, too.
            "request_timeout_ms": DELIVERY_MS})

    def consumer(self, group=None, reset=port.START, **options):
        settings = {
            "bootstrap_servers": self.bootstrap, "group_id": group, "auto_offset_reset": RESETS[reset], "enable_auto_commit": False,
            "session_timeout_ms": port.SESSION_MS, "heartbeat_interval_ms": port.HEARTBEAT_MS,
            "rebalance_timeout_ms": port.REBALANCE_MS, "max_poll_interval_ms": port.REBALANCE_MS,
            "partition_assignment_strategy": [RangePartitionAssignor], "fetch_max_wait_ms": options.get("wait_ms", 200)}
        settings |= {setting: options[option] for option, setting in OPTIONS.items() if option in options}
        if "fetch_bytes" in options:
            settings |= {"fetch_max_bytes": options["fetch_bytes"], "max_partition_fetch_bytes": options["fetch_bytes"]}
        return Consumer(self.loop, settings)


class Admin(port.Admin):
    def __init__(self, loop, bootstrap):
        self.loop = loop
        self.bootstrap = bootstrap
        self.admin = self.started(AIOKafkaAdminClient)

    def started(self, kind):
        """A started client of that class; it must be made in its loop."""
        async def start():
            one = kind(bootstrap_servers=self.bootstrap)
            await one.start()
            return one
        return self.loop.run(start(), PATIENCE)

    def close(self):
        self.loop.run(self.admin.close(), PATIENCE)

    def cluster(self):
        described = self._run(self.admin.describe_cluster())
        nodes = {node["node_id"]: f"{node['host']}:{node['port']}" for node in described["brokers"]}
        return port.Cluster(nodes, described["controller_id"], described["cluster_id"])

    def create_topic(self, topic, partitions, configs=None):
        answer = self._run(self.admin.create_topics([NewTopic(topic, partitions, port.replicas(), topic_configs=configs or {})]))
        self._accepted(answer.topic_errors)

    def delete_topic(self, topic):
        self._accepted(self._run(self.admin.delete_topics([topic])).topic_error_codes)

    def partitions(self, topic):
        # Asked for all topics: the client's question for one creates it.
        found = [one for one in self._run(self.admin.describe_topics()) if one["topic"] == topic and not one["error_code"]]
        if not found:
            raise UnknownTopicOrPartitionError(topic)
        partitions = sorted(found[0]["partitions"], key=lambda one: one["partition"])
        return [port.Partition(one["partition"], one["leader"], list(one["isr"])) for one in partitions]

    def create_partitions(self, topic, count):
        self._run(self.admin.create_partitions({topic: NewPartitions(count)}))

    def configs(self, topic):
        return self._configs(ConfigResource(ConfigResourceType.TOPIC, topic))

    def broker_configs(self, node):
        return self._configs(ConfigResource(ConfigResourceType.BROKER, str(node)))

    def _configs(self, resource):
        (answer,) = self._run(self.admin.describe_configs([resource]))
        ((code, message, _, _, entries),) = answer.resources
        self._accepted([(resource.name, code, message)])
        return {name: (value, source) for name, value, _, source, *_ in entries}

    def alter_configs(self, topic, configs):
        (answer,) = self._run(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)]))
        self._accepted([(name, code, message) for code, message, _, name in answer.resources])

    def delete_records(self, topic, partition, before):
        place = TopicPartition(topic, partition)
        return self._run(self.admin.delete_records({place: RecordsToDelete(before)}))[place]

    def offsets(self, topic, partitions, at):
        places = [TopicPartition(topic, partition) for partition in partitions]
        consumer = self.started(aiokafka.AIOKafkaConsumer)
        try:
            if at == port.START:
                found = self._run(consumer.beginning_offsets(places))
            elif at == port.END:
                found = self._run(consumer.end_offsets(places))
            else:
                timed = self._run(consumer.offsets_for_times(dict.fromkeys(places, at)))
                return {place.partition: (one.offset, one.timestamp) if one else (-1, None) for place, one in timed.items()}
            return {place.partition: (offset, None) for place, offset in found.items()}
        finally:
            self._run(consumer.stop())

    def group_offsets(self, group, topic, partitions):
        places = [TopicPartition(topic, partition) for partition in partitions]
        found = self._run(self.admin.list_consumer_group_offsets(group, partitions=places))
        return {place.partition: (one.offset, one.metadata) for place, one in found.items() if one.offset >= 0}

    def list_groups(self):
        return {one[0]: None for one in self._run(self.admin.list_consumer_groups())}

    def describe_group(self, group):
        (answer,) = self._run(self.admin.describe_consumer_groups([group]))
        ((code, name, state, protocol_type, protocol, members, *_),) = answer.groups
        self._accepted([(name, code)])
        described = []
        for _, client_id, _, _, assignment, *_ in members:
            decoded = ConsumerProtocolMemberAssignment.decode(assignment) if assignment else None
            described.append(port.Member(client_id, None, {tuple(place) for place in decoded.partitions()} if decoded else set()))
        return port.Group(state, protocol_type, protocol or None, described)

    def _run(self, coroutine):
        return self.loop.run(coroutine, PATIENCE)

    @staticmethod
    def _accepted(outcomes):
        for what, code, *message in outcomes:
            if code:
                raise for_code(code)(f"{what}: {message}")


class Sent:
    """One record on its way."""

    def __init__(self, future):
        self.future = future

    def offset(self):
        return self.future.result().offset


class Producer(port.Producer):
    def __init__(self, loop, settings):
        self.loop = loop
        self.flying = []

        async def start():
            producer = aiokafka.AIOKafkaProducer(**settings)
            await producer.start()
            return producer
        self.producer = loop.run(start(), PATIENCE)

    def send(self, topic, value, key=None, partition=None, timestamp=None, headers=None):
        sending = self.producer.send(topic, value, key, partition, timestamp, headers)
        future = self.loop.run(sending, 2 * PATIENCE)
        self.flying.append(future)
        return Sent(future)

    def flush(self):
        flying, self.flying = self.flying, []

        async def landed():
            for future in flying:
                await future
        self.loop.run(landed(), 2 * PATIENCE)

    def close(self):
        self.loop.run(self.producer.stop(), PATIENCE)


class Consumer(port.Consumer):
    def __init__(self, loop, settings):
        self.loop = loop
        self.settings = settings
        self.consumer = None
        self.listener = None
        # A commit of this thread and one of a rebalance never overlap, else an old offset could come after a newer one.
        self.committing = None
        # What a listener raised in the client's loop, which would only log it.
        self.failure = None

    def assign(self, topic, places):
        async def assign():
            self.consumer = aiokafka.AIOKafkaConsumer(**self.settings)
            await self.consumer.start()
            self.consumer.assign([TopicPartition(topic, partition) for partition in places])
            for partition, place in places.items():
                one = TopicPartition(topic, partition)
                if place == port.START:
                    await self.consumer.seek_to_beginning(one)
                elif place == port.END:
                    await self.consumer.seek_to_end(one)
                else:
                    self.consumer.seek(one, place)
        self.loop.run(assign(), PATIENCE)

    def seek(self, topic, partition, offset):
        async def seek():
            self.consumer.seek(TopicPartition(topic, partition), offset)
        self.loop.run(seek(), PATIENCE)

    def read(self, seconds):
        return self.loop.run(self._read(seconds), PATIENCE)

    async def _read(self, seconds):
        batches = await self.consumer.getmany(timeout_ms=int(seconds * 1000), max_records=MOST_READ)
        return [record(one) for batch in batches.values() for one in batch]

    def subscribe(self, listener, topics=None, pattern=None):
        self.listener = listener

        async def subscribe():
            self.committing = asyncio.Lock()
            self.consumer = aiokafka.AIOKafkaConsumer(**self.settings)
            self.consumer.subscribe(topics or (), pattern=pattern, listener=Rebalances(self))
            await self.consumer.start()
        self.loop.run(subscribe(), PATIENCE)

    def poll(self, seconds):
        async def poll():
            # No rebalance comes between the return of `_read` and the listener, since neither waits.
            for one in await self._read(seconds):
                self.listener.record(one)
        self.loop.run(poll(), PATIENCE)
        if self.failure:
            raise self.failure

    def commit(self):
        self.loop.run(self.commit_due(), COMMIT_SECONDS)

    async def commit_due(self):
        """Commits what is due at the moment when it is its turn."""
        async with self.committing:
            due = self.listener.due()
            if due:
                await self.consumer.commit({TopicPartition(*place): OffsetAndMetadata(*one) for place, one in due.items()})
                self.listener.committed(due)

    def close(self):
        if self.consumer:
            with suppress(KafkaError, TimeoutError):
                self.loop.run(self.consumer.stop(), PATIENCE)


class Rebalances(aiokafka.ConsumerRebalanceListener):
    """Called in the client's loop, whenever a rebalance comes."""

    def __init__(self, consumer):
        self.consumer = consumer

    async def on_partitions_assigned(self, assigned):
        self._tell(self.consumer.listener.assigned, assigned)

    async def on_partitions_revoked(self, revoked):
        if not revoked:
            return
        try:
            await asyncio.wait_for(self.consumer.commit_due(), COMMIT_SECONDS)
        except Exception as error:
            if not Client.passing(error):
                self.consumer.failure = error
        self._tell(self.consumer.listener.revoked, revoked)

    def _tell(self, what, places):
        try:
            what([tuple(place) for place in places])
        except Exception as error:
            self.consumer.failure = error


def record(one):
    """The port's record."""
    return port.Record(one.topic, one.partition, one.offset, one.timestamp, one.key, one.value, list(one.headers))
