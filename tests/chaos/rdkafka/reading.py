"""The roles that read every partition from its start: `follow` goes along while others produce, `read` only reads to the end."""

import time

import records
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException
from role import ANSWER_SECONDS, Role, listed, now, partitions

# Longest time from the end of producing until a reader has everything.
CATCH_UP_SECONDS = 90
# Records that one poll takes.
POLL_RECORDS = 1000


def write_record(role, message):
    """One line for one record, whole or damaged."""
    topic, partition = message.topic(), message.partition()
    try:
        producer, sequence = records.read(message.value(), topic, partition)
        role.write("R", now(), topic, partition, message.offset(), producer, sequence)
    except (records.Damaged, ValueError) as error:
        role.write("X", now(), topic, partition, message.offset(), error)


class Following(Role):
    """Reads live; once it is stopped, on to the end offsets of then."""

    kind = "follow"

    def play(self):
        """Reads until everything is read."""
        # An offset that is out of range is an error here: nothing is ever deleted in these topics.
        self.consumer = Consumer(self.settings(group_id=self.name, enable_auto_commit=False, auto_offset_reset="error", check_crcs=True))
        self.next = dict.fromkeys(partitions(), 0)
        self.consumer.assign(listed(self.next, OFFSET_BEGINNING))
        while not self.stopped.is_set():
            self._poll()
        deadline = time.monotonic() + CATCH_UP_SECONDS
        ends = {}
        while any(partition not in ends or self.next[partition] < ends[partition] for partition in self.next):
            if time.monotonic() > deadline:
                behind = {partition: (at, ends.get(partition)) for partition, at in self.next.items() if at != ends.get(partition)}
                raise TimeoutError(f"not at the end after {CATCH_UP_SECONDS} s: {behind}")
            self._poll()
            self._ask_for_ends(ends)
        self.consumer.close()

    def _poll(self):
        for message in self.consumer.consume(POLL_RECORDS, 0.1):
            if message.error():
                self.judge(message.error(), "consumer")
                continue
            write_record(self, message)
            self.next[message.topic(), message.partition()] = message.offset() + 1

    def _ask_for_ends(self, ends):
        """Fills in what is missing; what cannot be answered now is asked again later."""
        for partition in self.next.keys() - ends.keys():
            try:
                ends[partition] = self.consumer.get_watermark_offsets(*listed([partition]), timeout=ANSWER_SECONDS)[1]
            except KafkaException as error:
                self.judge(error.args[0], "end offset")
                return


class ReadingAll(Following):
    """Reads from the start to the end, and is over."""

    kind = "read"

    def __init__(self, name):
        super().__init__(name)
        self.stopped.set()
