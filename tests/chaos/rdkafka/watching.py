"""The roles that only look: `watch` at leaders and committed offsets, `watermarks` at high watermarks. One question after the other."""

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient
from role import Role, listed, now, partitions

EVERY_SECONDS = 0.25
# Short, since the next question may find somebody who answers.
ANSWER_SECONDS = 3


class Watching(Role):
    """Leaders, in-sync replicas and the committed offsets of the group."""

    kind = "watch"

    def play(self):
        """Asks until it is stopped."""
        # A consumer that never joins asks for the group's offsets as an AdminClient would, whose own call aborts the whole process
        # when an answer is late (librdkafka 2.16).
        self.admin, self.consumer = AdminClient(self.settings()), Consumer(self.settings(group_id="chaos", enable_auto_commit=False))
        while not self.stopped.wait(EVERY_SECONDS):
            for ask in (self._leaders, self._committed):
                try:
                    ask()
                except KafkaException as error:
                    self.judge(error.args[0], ask.__name__.strip("_"))
        self.consumer.close()

    def _leaders(self):
        began = now()
        topics = self.admin.list_topics(timeout=ANSWER_SECONDS).topics
        for topic, number in partitions():
            shown = topics[topic].partitions.get(number) if topic in topics else None
            if shown:
                self.write("L", began, topic, number, shown.leader, ",".join(map(str, sorted(shown.isrs))) or "-")

    def _committed(self):
        began = now()
        for one in self.consumer.committed(listed(partitions()), timeout=ANSWER_SECONDS):
            if one.error:
                self.judge(one.error, "committed")
            else:
                self.write("O", began, now(), one.topic, one.partition, max(one.offset, -1))


class Watermarks(Role):
    """The end offsets that leaders tell, each partition in turn."""

    kind = "watermarks"

    def play(self):
        """Asks until it is stopped."""
        consumer = Consumer(self.settings(group_id=self.name, socket_timeout_ms=10_000))
        while not self.stopped.is_set():
            for partition in partitions():
                if self.stopped.wait(EVERY_SECONDS / 5):
                    return
                began = now()
                try:
                    _, high = consumer.get_watermark_offsets(*listed([partition]), timeout=ANSWER_SECONDS)
                    self.write("W", began, now(), *partition, high)
                except KafkaException as error:
                    self.judge(error.args[0], "watermark")
