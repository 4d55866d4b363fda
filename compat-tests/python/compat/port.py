"""The port: what the features ask of a Python client, in words that are the same for all. Each family implements it.

Nothing here talks to a broker. Errors stay the client's own exceptions; `Client.code` gives the Kafka error code in one.
"""

import os
from abc import ABC, abstractmethod
from typing import NamedTuple

# Kafka's error codes that the features expect.
OFFSET_OUT_OF_RANGE = 1
UNKNOWN_TOPIC_OR_PARTITION = 3
MESSAGE_TOO_LARGE = 10
INVALID_TOPIC_EXCEPTION = 17
TOPIC_ALREADY_EXISTS = 36
INVALID_PARTITIONS = 37
INVALID_CONFIG = 40
NON_EMPTY_GROUP = 68
# How a partition without a leader at work answers: unknown, leader not available, not leader, fenced and unknown leader epoch.
UNLED = (UNKNOWN_TOPIC_OR_PARTITION, 5, 6, 74, 75)

# Where a config's value comes from, as DescribeConfigs says it.
DYNAMIC_TOPIC_CONFIG = 1
DEFAULT_CONFIG = 5

# Places in a log, beside an offset or a time.
START, END, MAX_TIMESTAMP = "start", "end", "max timestamp"

SESSION_MS = 6000
HEARTBEAT_MS = 500
REBALANCE_MS = 30_000  # longer than a sync commit may wait for a broker that comes back, or the group gives the member up


class Record(NamedTuple):
    """One record as it was read; `headers` are pairs of a name and bytes or None, in order."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list


class Partition(NamedTuple):
    """One partition as the metadata show it."""

    index: int
    leader: int
    isr: list


class Cluster(NamedTuple):
    """The cluster as its metadata show it; `cluster_id` is None where the client does not tell it."""

    nodes: dict  # node id -> "host:port"
    controller: int
    cluster_id: str | None


class Member(NamedTuple):
    """A group member as DescribeGroups shows it."""

    client_id: str
    instance: str | None
    assignment: set  # of (topic, partition)


class Group(NamedTuple):
    """A group as DescribeGroups shows it; a field is None where the client does not tell it."""

    state: str
    protocol_type: str | None
    protocol: str | None
    members: list


class Client(ABC):
    """A family's way to its library. Everything that it opens is closed by `close`."""

    family = "python"
    # Features that the library has no means for; the family's `family.json` gives the reasons.
    lacking = frozenset()
    # Whether the library passes on the error of DescribeConfigs, rather than only answering nothing.
    tells_config_errors = True
    # Whether a header may have no value at all.
    null_headers = True

    def __init__(self):
        self.bootstrap = os.environ["BOOTSTRAP"]
        # Of the broker: node id -> "host:port".
        self.nodes = dict(enumerate(self.bootstrap.split(","), 1))
        self._opened = []

    def name(self, feature):
        """A name that no other feature, family or run uses."""
        return f"{self.family}-{feature}-{os.environ.get('RUN_ID', '0')}"

    def keep(self, opened):
        """Notes something with a `close`, to be closed with the client."""
        self._opened.append(opened)
        return opened

    def close(self):
        """Closes what was opened, the latest first; closing twice is allowed everywhere."""
        while self._opened:
            self._opened.pop().close()

    @staticmethod
    @abstractmethod
    def version():
        """The library's name and released version, such as `aiokafka 0.14.0`."""

    @staticmethod
    @abstractmethod
    def code(error):
        """The Kafka error code that `error` stands for, or None."""

    @staticmethod
    @abstractmethod
    def passing(error):
        """Whether `error` is one that goes by itself, such as a lost connection or a rebalance in progress."""

    @abstractmethod
    def admin(self):
        """A new `Admin`, with no memory of what others saw."""

    @abstractmethod
    def producer(self, codec=None, acks="all", idempotent=True, largest=1_000_000):
        """A new `Producer`; `largest` is the size in bytes up to which it sends at all."""

    @abstractmethod
    def consumer(self, group=None, reset=START, **options):
        """A new `Consumer`.

        `reset` is START, END or None (an offset out of range is an error). Options: `assignor` ("range" or
        "cooperative-sticky"), `instance` (group.instance.id), `client_id`, `metadata_ms` (metadata max age),
        `wait_ms` (fetch.max.wait) and `fetch_bytes` (how much a fetch may carry).
        """


def replicas():
    """How many replicas a topic has: one on each node of the broker."""
    return len(os.environ["BOOTSTRAP"].split(","))


class Admin(ABC):
    """One admin connection. Each verb waits for the answer and raises the client's error for it."""

    @abstractmethod
    def close(self): ...

    def cluster(self):
        """The `Cluster`."""
        raise NotImplementedError

    @abstractmethod
    def create_topic(self, topic, partitions, configs=None): ...

    @abstractmethod
    def delete_topic(self, topic): ...

    @abstractmethod
    def partitions(self, topic):
        """The `Partition`s of a topic by index; never creates it."""

    def create_partitions(self, topic, count):
        """Raises the number of partitions to `count`."""
        raise NotImplementedError

    def configs(self, topic):
        """The topic's configs: name -> (value, source)."""
        raise NotImplementedError

    def broker_configs(self, node):
        """The configs of a broker: name -> (value, source)."""
        raise NotImplementedError

    def alter_incrementally(self, topic, operation, name, value):
        """One of SET, DELETE, APPEND, SUBTRACT."""
        raise NotImplementedError

    def alter_configs(self, topic, configs):
        """The old call: replaces all that was set before."""
        raise NotImplementedError

    def delete_records(self, topic, partition, before):
        """Deletes below `before` (-1: the high watermark); the new low watermark."""
        raise NotImplementedError

    @abstractmethod
    def offsets(self, topic, partitions, at):
        """The offsets at START, END, MAX_TIMESTAMP or a time: partition -> (offset, its timestamp or None).

        Where no record is as late as the time, the offset is -1 or the end, whatever the client answers.
        """

    def group_offsets(self, group, topic, partitions):
        """What is committed: partition -> (offset, metadata); partitions without a commit are left out."""
        raise NotImplementedError

    def list_groups(self):
        """Names of all groups -> state, or None where the client does not tell it."""
        raise NotImplementedError

    def describe_group(self, group):
        """The `Group`."""
        raise NotImplementedError

    def alter_group_offsets(self, group, topic, offsets): ...

    def delete_group_offsets(self, group, topic, partitions): ...

    def delete_group(self, group): ...


class Producer(ABC):
    """One producer. `send` does not wait; `flush` does, and raises the first refusal since the last flush."""

    @abstractmethod
    def send(self, topic, value, key=None, partition=None, timestamp=None, headers=None):
        """Hands one record over; returns something whose `offset()` is known after `flush`."""

    @abstractmethod
    def flush(self): ...

    @abstractmethod
    def close(self): ...


class Listener(ABC):
    """What a group member does with its partitions. A `Consumer` calls one method at a time, never two at once.

    Partitions are (topic, partition); records come only of partitions that are assigned.
    """

    @abstractmethod
    def assigned(self, partitions):
        """These came in addition to those already owned."""

    @abstractmethod
    def revoked(self, partitions):
        """These are owned no longer, be it by a rebalance, by closing or because the group gave the member up."""

    @abstractmethod
    def record(self, record): ...

    @abstractmethod
    def due(self):
        """What to commit now: (topic, partition) -> (next offset, metadata); empty for nothing."""

    @abstractmethod
    def committed(self, offsets):
        """The broker acknowledged these."""


class Consumer(ABC):
    """One consumer, used by one thread: either `assign` and `read`, or `subscribe` and `poll`."""

    @abstractmethod
    def assign(self, topic, places):
        """Partitions to read without a group, each from an offset, START or END."""

    @abstractmethod
    def seek(self, topic, partition, offset): ...

    @abstractmethod
    def read(self, seconds):
        """Records that came within `seconds`, perhaps none."""

    @abstractmethod
    def subscribe(self, listener, topics=None, pattern=None):
        """Joins the group for `topics` or for all whose name matches the regular expression `pattern`."""

    @abstractmethod
    def poll(self, seconds):
        """Lives as a group member for about `seconds`, handing records to the listener.

        Before partitions are revoked, but not when they are lost, what is due is committed.
        """

    @abstractmethod
    def commit(self):
        """Commits what the listener says is due and tells it; raises if that was refused."""

    @abstractmethod
    def close(self):
        """Leaves the group, if that is the client's way: a static member stays in it."""
