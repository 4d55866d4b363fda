"""A stream of numbered records into a topic while a feature goes on. Survives restarts of the broker, as its producer retries."""

import threading
import time

from compat.expect import PATIENCE, ensure

PACE = 0.005
MOST = 30_000


class Stream(threading.Thread):
    """Produces 0, 1, 2, … to all partitions in turn, from its construction until `end`."""

    def __init__(self, client, topic, partitions):
        super().__init__(daemon=True)
        self.topic = topic
        self.partitions = partitions
        self.sent = 0
        self._producer = client.producer()
        self._ending = threading.Event()
        self._failure = None
        self.start()
        client.keep(self)

    def run(self):
        try:
            while self.sent < MOST and not self._ending.wait(PACE):
                self._producer.send(self.topic, b"%d" % self.sent, partition=self.sent % self.partitions)
                self.sent += 1
            self._producer.flush()
        except Exception as error:  # told by `end`
            self._failure = error
        finally:
            self._producer.close()

    def end(self):
        """Ends it; how many numbers are acknowledged now."""
        self.close()
        ensure(not self.is_alive(), f"the producer did not end within {2 * PATIENCE:g} s")
        if self._failure:
            raise self._failure
        return self.sent

    def wait_for(self, more):
        """Returns when `more` numbers were handed to the producer from now on."""
        goal, deadline = self.sent + more, time.monotonic() + PATIENCE
        while self.sent < goal and self.is_alive():
            ensure(time.monotonic() < deadline, f"no {more} records sent within {PATIENCE:g} s")
            time.sleep(PACE)

    def close(self):
        """Ends it without asking how it went."""
        self._ending.set()
        self.join(2 * PATIENCE)


def all_seen(total, members, others=()):
    """Every number below `total` was read by a member or is among `others`; raises `Unmet` otherwise."""
    seen = {int(record.value) for member in members for record in member.read} | set(others)
    missing = sorted(set(range(total)) - seen)
    ensure(not missing, f"{len(missing)} of {total} records were not seen, the first is {missing[:1]}")
