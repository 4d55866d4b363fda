"""One part that a client program plays, on a thread of its own, and the journal that it writes while it does."""

import os
import threading
import time
from pathlib import Path

import confluent_kafka
from confluent_kafka import TopicPartition

import errors

# Bounds every single question to the cluster, in seconds.
ANSWER_SECONDS = 5


def now():
    """Milliseconds of the machine's monotonic clock, the same in all processes."""
    return time.monotonic_ns() // 1_000_000


def partitions():
    """All (topic, partition) of TOPICS, which is `name:count,name:count`."""
    named = [one.split(":") for one in os.environ["TOPICS"].split(",")]
    return [(topic, partition) for topic, count in named for partition in range(int(count))]


class Role(threading.Thread):
    """`play` runs until it is over or `stopped` is set; the journal ends with END only if it returned."""

    kind = "role"

    def __init__(self, name):
        super().__init__(name=name, daemon=True)
        self.stopped = threading.Event()
        self.ended_well = False
        # Line by line: what is written is there, whoever dies next.
        path = Path(os.environ["JOURNALS"]) / f"{name}.journal"
        self.journal = open(path, "w", buffering=1)  # noqa: SIM115: it lives as long as the role
        self.write("I", self.kind, "librdkafka", confluent_kafka.libversion()[0])

    def play(self):
        """The part."""
        raise NotImplementedError

    def run(self):
        """Plays, and writes down how that ended."""
        try:
            self.play()
            self.write("END", now())
            self.ended_well = True
        except Exception as error:
            self.error("fatal", f"{type(error).__name__}: {error}")

    def write(self, *words):
        """One line of the journal."""
        self.journal.write(" ".join(map(str, words)) + "\n")

    def error(self, kind, text):
        """Writes down an error: `note` if a client gets over it, `fatal` if none may ever see it."""
        self.write("E", now(), kind, " ".join(str(text).split())[:300])

    def judge(self, error, where):
        """Writes down a KafkaError as what it is."""
        self.error("note" if errors.harmless(error) else "fatal", f"{where}: {error.name()}{' fatal' if error.fatal() else ''}")

    def settings(self, **more):
        """What every client of this role is configured with; names with `_` for `.`."""
        return {
            "bootstrap.servers": os.environ["BOOTSTRAP"], "client.id": self.name, "log_level": 2,
            "error_cb": lambda error: self.judge(error, "client"),
            **{name.replace("_", "."): value for name, value in more.items()}}


def listed(found, offset=None):
    """`found` (topic, partition) pairs as confluent_kafka wants them, each at `offset` if that is given."""
    return [TopicPartition(*one) if offset is None else TopicPartition(*one, offset) for one in found]
