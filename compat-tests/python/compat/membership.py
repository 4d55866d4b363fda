"""A group member at work: what it owns, what it read, what it committed. In a thread for the features, or alone in a process.

It decides nothing about assignments; the client's library does.
"""

import threading
import time

from compat.expect import PATIENCE, Unmet, ensure
from compat.port import Listener

# How long one turn waits for records: also how late a stop is noticed.
TURN_SECONDS = 0.1


class Membership(Listener):
    """One member's work. Not thread-safe: whoever calls `turn` is its thread; a library may call the listener from its own
    while `turn` waits.

    `every` is the time between commits of what was read; None commits only what `ask` says.
    """

    def __init__(self, client, group, topics=None, pattern=None, every=0.3, **options):
        self.client = client
        self.every = every
        self.owned = set()
        self.read = []
        self.assignments = []  # each: what was added
        self.revocations = []  # each: what was taken
        self.commits = []  # (monotonic time, (topic, partition), next offset), each when it was acknowledged
        self.refusals = []  # passing errors that were met
        self._next = {}  # (topic, partition) owned -> next offset, where it moved since the last commit
        self._asked = {}
        self._last_commit = time.monotonic()
        self.consumer = client.consumer(group=group, **options)
        self.consumer.subscribe(self, topics=topics, pattern=pattern)

    def turn(self):
        """Reads for a moment, then commits if it is time to."""
        try:
            self.consumer.poll(TURN_SECONDS)
            if self._asked or (self.every is not None and time.monotonic() - self._last_commit >= self.every):
                self._last_commit = time.monotonic()
                self.consumer.commit()
        except Exception as error:
            if isinstance(error, Unmet) or not self.client.passing(error):
                raise
            self.refusals.append(error)

    def leave(self):
        """Commits and leaves; a static member only goes away."""
        try:
            self.consumer.commit()
        except Exception as error:
            if not self.client.passing(error):
                raise
            self.refusals.append(error)
        finally:
            self.consumer.close()
            if self.owned:  # some clients tell of a close, some do not
                self.revoked(self.owned)

    def ask(self, offsets):
        """Has these committed at the next turn: (topic, partition) -> (offset, metadata)."""
        self._asked = dict(offsets)

    def assigned(self, partitions):
        partitions = set(partitions)
        ensure(not partitions & self.owned, f"assigned {sorted(partitions & self.owned)} which it owns already")
        self.owned = self.owned | partitions
        self.assignments.append(partitions)

    def revoked(self, partitions):
        partitions = set(partitions)
        self.owned = self.owned - partitions
        for partition in partitions:
            self._next.pop(partition, None)
        self.revocations.append(partitions)

    def record(self, record):
        place = (record.topic, record.partition)
        ensure(place in self.owned, f"a record of {place}, which is not among those owned: {sorted(self.owned)}")
        self.read.append(record)
        self._next[place] = record.offset + 1

    def due(self):
        if self._asked or self.every is None:
            return dict(self._asked)
        return {place: (offset, "") for place, offset in self._next.items()}

    def committed(self, offsets):
        for place, (offset, _) in offsets.items():
            self.commits.append((time.monotonic(), place, offset))
            if self._next.get(place) == offset:
                del self._next[place]
        self._asked = {}


class RunningMember(threading.Thread):
    """A `Membership` on a thread of its own, from its construction on."""

    def __init__(self, client, group, topics=None, **options):
        super().__init__(daemon=True)
        self.member = Membership(client, group, topics, **options)
        self.failure = None
        self._ending = threading.Event()
        self.start()
        client.keep(self)

    def run(self):
        try:
            while not self._ending.is_set():
                self.member.turn()
        except Exception as error:  # told by `healthy`, which every wait asks
            self.failure = error
        try:
            self.member.leave()
        except Exception as error:
            self.failure = self.failure or error

    def stop(self):
        """Leaves politely; raises what went wrong in the member's life."""
        self.close()
        ensure(not self.is_alive(), f"a member did not leave within {PATIENCE:g} s")
        self.healthy()

    def close(self):
        """Leaves politely."""
        self._ending.set()
        self.join(PATIENCE)

    def healthy(self):
        """Raises what ended the member's life, if it ended by itself."""
        if self.failure:
            raise self.failure

    @property
    def owned(self):
        """The (topic, partition)s that it owns now."""
        self.healthy()
        return self.member.owned

    @property
    def read(self):
        """The records that it read until now, in order."""
        self.healthy()
        return list(self.member.read)

    @property
    def rebalances(self):
        """How often anything was assigned or revoked."""
        return len(self.member.assignments) + len(self.member.revocations)


def owned_once(members, topic, partitions):
    """Every partition has one owner, and no member has two more than another; raises `Unmet` otherwise."""
    shares = [sorted(member.owned) for member in members]
    everything = [(topic, partition) for partition in range(partitions)]
    sizes = [len(share) for share in shares]
    ensure(
        sorted(place for share in shares for place in share) == everything and max(sizes) - min(sizes) <= 1,
        f"expected {partitions} partitions owned once and evenly, got {[[number for _, number in share] for share in shares]}")
