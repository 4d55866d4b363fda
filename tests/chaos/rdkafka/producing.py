"""The role that produces: idempotent, acks=all, a steady rate over all partitions, and a line for what became of each record."""

import os
import time

import errors
import records
from confluent_kafka import Producer
from role import Role, now, partitions

# A record is given up after this long, longer than any outage: a producer that gives one up begins a new epoch, under which it sends
# again what was on its way to other partitions, so that duplicates would be its own doing.
DELIVERY_SECONDS = 600
# An unanswered request is sent again after this long; the client's own 60 s would outlast most faults.
REQUEST_SECONDS = 5


class Producing(Role):
    """Sequence numbers count from 0 in each partition."""

    kind = "produce"

    def play(self):
        """Sends until it is stopped, then waits for the last answers."""
        producer = Producer(self.settings(
            enable_idempotence=True, acks="all", linger_ms=2, message_timeout_ms=DELIVERY_SECONDS * 1000,
            request_timeout_ms=REQUEST_SECONDS * 1000, socket_timeout_ms=REQUEST_SECONDS * 1000))
        every, found = 1 / float(os.environ["RATE"]), partitions()
        due, sequences, turn = time.monotonic(), dict.fromkeys(found, 0), 0
        while not self.stopped.is_set():
            early = due - time.monotonic()
            producer.poll(min(max(early, 0), 0.01))
            if early > 0:
                continue
            # What could not be sent in time is not sent in a burst later.
            due = max(due + every, time.monotonic() - 0.1)
            partition = found[turn % len(found)]
            turn += 1
            self._send(producer, partition, sequences[partition])
            sequences[partition] += 1
        left = producer.flush(DELIVERY_SECONDS + 10)
        if left:
            raise TimeoutError(f"{left} records without an answer")

    def _send(self, producer, partition, sequence):
        topic, number = partition
        sent = now()

        def answered(error, message):
            if error is None:
                self.write("A", now(), sent, topic, number, sequence, message.offset())
                return
            self.write("F", now(), sent, topic, number, sequence, error.name())
            if not errors.harmless(error):
                self.judge(error, "delivery")

        value = records.write(self.name, topic, number, sequence)
        while True:
            try:
                producer.produce(topic, value, partition=number, on_delivery=answered)
                return
            except BufferError:
                producer.poll(0.1)
