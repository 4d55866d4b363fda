"""The broker is restarted or killed while an idempotent producer and a consumer are at work: no loss, no duplicate, no disorder."""

import threading
import time
from functools import partial

from compat.control import Restart
from compat.expect import same
from compat.port import START
from compat.reading import create, read_all

# AROUND records come before the restart and again after it; between them about one each PACE seconds, in total at most MOST.
AROUND = 1000
PACE = 0.001
MOST = 60_000
PARTITIONS = 2
FOLLOW_SECONDS = 100


class Follower(threading.Thread):
    """Reads from the start until `total` records were read, whatever happens to the broker meanwhile."""

    def __init__(self, client, topic):
        super().__init__(daemon=True)
        self.client = client
        self.topic = topic
        self.total = None  # not known until the restart is over
        self.read = []
        self.failure = None

    def run(self):
        consumer = self.client.consumer()
        try:
            consumer.assign(self.topic, {partition: START for partition in range(PARTITIONS)})
            deadline = time.monotonic() + FOLLOW_SECONDS
            while time.monotonic() < deadline and (self.total is None or len(self.read) < self.total):
                self.read += self._some(consumer)
        except Exception as error:  # told by the feature, which waits for this thread
            self.failure = error
        finally:
            consumer.close()

    def _some(self, consumer):
        try:
            return consumer.read(0.1)
        except Exception as error:
            if not self.client.passing(error):
                raise
            return []


def restart(verb, client):
    topic = create(client, f"restart_{verb}", PARTITIONS)
    producer = client.keep(client.producer())
    follower = Follower(client, topic)
    follower.start()
    numbers = iter(range(MOST + AROUND))
    sent = 0

    def send(count):
        nonlocal sent
        for number in [next(numbers) for _ in range(count)]:
            producer.send(topic, b"%d" % number, partition=number % PARTITIONS)
            sent += 1

    send(AROUND)
    producer.flush()
    going_on = Restart(verb)
    while going_on.going_on():
        if sent < MOST:
            send(1)
        time.sleep(PACE)
    send(AROUND)
    producer.flush()
    follower.total = sent
    follower.join(FOLLOW_SECONDS)
    if follower.failure:
        raise follower.failure
    in_order(follower.read, sent, "the consumer that lived through it")
    in_order(read_all(client, topic, PARTITIONS), sent, "a new consumer")


def in_order(read, total, reader):
    """The numbers below `total`, each once, in order within their partitions."""
    expected = list(range(PARTITIONS))
    for record in read:
        number = int(record.value)
        same(expected[record.partition], number, f"{reader}, next number of partition {record.partition}")
        expected[record.partition] += PARTITIONS
    same(total, len(read), f"{reader}, records")


CHECKS = [("restart_clean", partial(restart, "restart")), ("restart_kill", partial(restart, "kill"))]
