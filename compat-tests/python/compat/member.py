"""The `member` mode: one eager member with the range assignor in a process of its own, which writes down all that it does.

OUT_FILE gets the lines of the harness's contract: `A` assignment, `R` revoked, `M` record, `C` commit acknowledged. They reach the
file before the next commit and after each turn, so that a kill loses at most records that are read again. SIGTERM ends it in peace.
"""

import os
import signal
import sys
import threading
import time

from compat.membership import Membership

COMMIT_SECONDS = 0.5


class WrittenMembership(Membership):
    """A `Membership` that appends to a file what it does, and keeps no records."""

    def __init__(self, client, out, **options):
        self.out = out
        super().__init__(client, os.environ["GROUP"], [os.environ["TOPIC"]], every=COMMIT_SECONDS, **options)

    def assigned(self, partitions):
        super().assigned(partitions)
        numbers = ",".join(str(partition) for _, partition in sorted(self.owned))
        self._write(f"A {now()} {numbers}".rstrip())

    def revoked(self, partitions):
        super().revoked(partitions)
        self._write(f"R {now()}")

    def record(self, record):
        super().record(record)
        self.read.clear()
        value = (record.value or b"").decode(errors="replace")
        self._write(f"M {record.partition} {record.offset} {value}")

    def due(self):
        # What is committed must have been written first: nobody reads those records again.
        self.out.flush()
        return super().due()

    def committed(self, offsets):
        super().committed(offsets)
        self.commits.clear()
        self.refusals.clear()
        for (_, partition), (offset, _) in offsets.items():
            self._write(f"C {partition} {offset}")

    def _write(self, line):
        self.out.write(line + "\n")


def run(client):
    """Lives until SIGTERM or a fatal error; the exit code."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    given = {"client_id": os.environ.get("CLIENT_ID"), "instance": os.environ.get("INSTANCE_ID")}
    options = {name: value for name, value in given.items() if value}
    try:
        with open(os.environ["OUT_FILE"], "a", encoding="utf-8", errors="replace") as out:
            member = WrittenMembership(client, out, assignor="range", **options)
            while not ending.is_set():
                member.turn()
                out.flush()
            member.leave()
    except Exception as error:
        print(f"member: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def now():
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
