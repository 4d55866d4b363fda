"""The role of a group's member: reads what it is given, commits twice a second, writes down each acknowledged commit."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from reading import POLL_RECORDS, write_record
from role import Role, now, partitions

COMMIT_SECONDS = 0.5
SESSION_MS = 6000


class Member(Role):
    """Member of the group "chaos"; its commits never go back, for it commits only what it read since its last assignment."""

    kind = "member"

    def play(self):
        """Lives until it is stopped, then commits once more and leaves."""
        self.read = {}
        consumer = Consumer(self.settings(
            group_id="chaos", enable_auto_commit=False, auto_offset_reset="earliest", session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=1000, partition_assignment_strategy="range", socket_timeout_ms=10_000))
        forget = lambda *_: self.read.clear()  # noqa: E731: the same for all three
        consumer.subscribe(sorted({topic for topic, _ in partitions()}), on_assign=forget, on_revoke=forget, on_lost=forget)
        due = 0
        while not self.stopped.is_set():
            for message in consumer.consume(POLL_RECORDS, 0.1):
                if message.error():
                    self.judge(message.error(), "member")
                    continue
                write_record(self, message)
                self.read[message.topic(), message.partition()] = message.offset() + 1
            if time.monotonic() > due:
                due = time.monotonic() + COMMIT_SECONDS
                self._commit(consumer)
        self._commit(consumer)
        consumer.close()

    def _commit(self, consumer):
        if not self.read:
            return
        began = now()
        try:
            offsets = [TopicPartition(*partition, offset) for partition, offset in self.read.items()]
            done = consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self.judge(error.args[0], "commit")
            return
        for one in done:
            if one.error:
                self.judge(one.error, "commit")
            else:
                self.write("C", began, now(), one.topic, one.partition, one.offset)
                self.read.pop((one.topic, one.partition), None)
