"""The role that makes the topics and is over when every partition has a leader and all its replicas in sync."""

import os
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from role import Role, partitions

MAKE_SECONDS = 60


class Making(Role):
    """REPLICAS says how many replicas a partition gets; at least two, or all if fewer, must have a record."""

    kind = "make"

    def play(self):
        """Makes what is not there and waits for it."""
        self.shown = "not made"
        replicas = int(os.environ["REPLICAS"])
        admin = AdminClient(self.settings())
        counts = {topic: 0 for topic, _ in partitions()}
        for topic, _ in partitions():
            counts[topic] += 1
        deadline = time.monotonic() + MAKE_SECONDS
        config = {"min.insync.replicas": str(min(2, replicas))}
        missing = [NewTopic(topic, count, replicas, config=config) for topic, count in counts.items()]
        while missing or not self._ready(admin, replicas):
            if time.monotonic() > deadline:
                raise TimeoutError(f"topics without leaders and all replicas in sync after {MAKE_SECONDS} s: {self.shown}")
            missing = self._make(admin, missing)
            self.stopped.wait(0.2)

    def _make(self, admin, missing):
        """Those of `missing` that must be asked for again."""
        left = []
        for topic, asked in (admin.create_topics(missing, request_timeout=10) if missing else {}).items():
            try:
                asked.result(15)
            except KafkaException as error:
                # An earlier try may have made it although its answer was lost.
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    self.error("note", f"create: {error.args[0].name()}")
                    left += [one for one in missing if one.topic == topic]
        return left

    def _ready(self, admin, replicas):
        try:
            topics = admin.list_topics(timeout=5).topics
        except KafkaException as error:
            self.shown = str(error)
            return False
        parts = {(topic, number): topics[topic].partitions.get(number) if topic in topics else None for topic, number in partitions()}
        self.shown = {f"{topic}-{number}": one and (one.leader, one.isrs) for (topic, number), one in parts.items()}
        return all(one and one.leader >= 0 and len(one.isrs) == replicas for one in parts.values())
