"""Members of one consumer group, each a client's program in `member` mode, and what their diaries together must show.

A diary is written by one member (README.md has its lines); `Group` starts and ends members and reads along, and `faults` judges.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

from harness import builds
from harness.broker import BrokerError
from harness.control import control as ask

SESSION_SECONDS = 6
# The promise that is judged: no partition is without an owner for longer.
REBALANCE_SECONDS = SESSION_SECONDS + 2
# A member that was thrown out learns it by its next heartbeat, and owns in its own eyes until then.
HEARTBEAT_MS = 1000
# A client that was refused tries again after a backoff, which grows with the outage, to this at most.
BACKOFF_MS = 5000
# Longest wait for a group to become stable: the slowest client's start, and a rebalance.
STABLE_SECONDS = 90
END_SECONDS = 30
READ_BYTES = 1 << 22
MOST_LINES = 50_000_000


def now_ms():
    return time.time_ns() // 1_000_000


class Span:
    """One ownership of one partition by one member, from its assignment to its end (None while it lasts)."""

    def __init__(self, member, partition, since):
        self.member, self.partition, self.since, self.until = member, partition, since, None
        self.first = self.last = self.number = self.committed = None


class Member:
    """One process of one client; `bootstrap`, `group` and `topic` are where it takes part."""

    def __init__(self, family, name, directory, bootstrap, group, topic):
        self.name = name
        self.family = family.name
        self.diary = Path(directory) / f"{name}.diary"
        self.said = Path(directory) / f"{name}.log"
        self.diary.touch()
        self.read_to = 0
        self.open = {}     # partition -> its Span, while it lasts
        self.latest = {}   # partition -> its last Span
        self.leaving = False
        environment = {
            **os.environ, "BOOTSTRAP": bootstrap, "GROUP": group, "TOPIC": topic, "OUT_FILE": str(self.diary), "CLIENT_ID": name,
            "OUT": str(builds.out(family))}
        environment.pop("INSTANCE_ID", None)
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(
                [*builds.program(family), "member"], env=environment, cwd=family.folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def new_lines(self):
        """What it wrote since the last call, whole lines only; a bounded part of it."""
        with open(self.diary, "rb") as file:
            file.seek(self.read_to)
            block = file.read(READ_BYTES)
        end = block.rfind(b"\n") + 1
        self.read_to += end
        return block[:end].splitlines()

    def last_words(self):
        return " | ".join(self.said.read_text(errors="replace").splitlines()[-5:])


class Group:
    """The group of a test: its members, and a ledger of everything that they wrote.

    Values of the topic begin with a number, from 0 on, and a space; `total` says how many there are.
    """

    def __init__(self, bootstrap, group, topic, partitions, directory):
        self.bootstrap, self.group, self.topic, self.partitions, self.directory = bootstrap, group, topic, partitions, directory
        self.members = []          # those that live
        self.started = 0
        self.spans = []
        self.processed = bytearray(MOST_LINES)  # by number: whether it was processed
        self.expected = None
        self.different = 0         # numbers processed at least once
        self.doubled = 0           # records that were processed again
        self.disorder = []
        self.outages = []          # when the broker was away, or clients still backed off from it, as (from, to)

    def total(self, count):
        """There are `count` numbers in all; until it is called, as many as came."""
        self.expected = count

    def join(self, family):
        """Starts a member of `family`."""
        self.started += 1
        member = Member(family, f"{family.name}-{self.started}", self.directory, self.bootstrap, self.group, self.topic)
        self.members.append(member)
        return member

    def kill_broker(self, control):
        """SIGKILL to the broker and a start, by its `Control`; returns when it answers again."""
        began = now_ms()
        ask(control, "kill")
        ended = now_ms()
        self.outages.append((began, ended + min(ended - began, BACKOFF_MS)))

    def leave(self, member):
        """SIGTERM; it must commit, leave and end with exit code 0."""
        # Some clients write no R when they end by themselves; then they own nothing from here on.
        at = now_ms()
        member.process.send_signal(signal.SIGTERM)
        member.leaving = True
        deadline = time.monotonic() + END_SECONDS
        while member.process.poll() is None:
            self.read()
            if time.monotonic() > deadline:
                member.process.kill()
                raise BrokerError(f"{member.name} did not end within {END_SECONDS} s of SIGTERM: {member.last_words()}")
            time.sleep(0.02)
        if member.process.returncode != 0:
            raise BrokerError(f"{member.name} ended with {member.process.returncode} after SIGTERM: {member.last_words()}")
        self._gone(member, at)

    def lose(self, member):
        """SIGKILL: no commit, no goodbye."""
        member.process.kill()
        member.process.wait()
        self._gone(member, now_ms())

    def end(self):
        """Ends what is left of a test that failed."""
        for member in self.members:
            member.process.kill()
            member.process.wait()

    def read(self):
        """Takes in what the members wrote; True if it was anything."""
        wrote = False
        for member in self.members:
            if member.process.poll() is not None and not member.leaving:
                raise BrokerError(f"{member.name} ended by itself with {member.process.returncode}: {member.last_words()}")
            wrote |= self._read(member)
        return wrote

    def wait(self, condition, what, seconds):
        """Reads along until `condition()` holds."""
        deadline = time.monotonic() + seconds
        while True:
            wrote = self.read()
            if condition():
                return
            if time.monotonic() > deadline:
                raise BrokerError(f"{what} did not come within {seconds} s: {self.state()}")
            if not wrote:
                time.sleep(0.02)

    def wait_stable(self):
        """Every partition has one owner, and every member some."""
        def stable():
            owned = [partition for member in self.members for partition in member.open]
            return sorted(owned) == list(range(self.partitions)) and all(member.open for member in self.members)
        self.wait(stable, "a stable group", STABLE_SECONDS)

    def wait_at_work(self, member):
        """The member has processed a record that it has not committed yet, which it will do in a moment."""
        def at_work():
            return any(span.last is not None and span.last + 1 > (span.committed or 0) for span in member.open.values())
        self.wait(at_work, f"{member.name}, busy", STABLE_SECONDS)

    def wait_done(self, seconds):
        """Every number is processed, and every commit is where its partition ends."""
        def done():
            if self.expected is None or self.different < self.expected:
                return False
            ends, commits = {}, {}
            for span in self.spans:
                if span.last is not None:
                    ends[span.partition] = max(ends.get(span.partition, 0), span.last + 1)
                if span.committed is not None:
                    commits[span.partition] = max(commits.get(span.partition, 0), span.committed)
            return ends == commits
        self.wait(done, "the end of the work", seconds)

    def state(self):
        owned = ", ".join(f"{member.name} {sorted(member.open)}" for member in self.members)
        return f"{self.different} of {self.expected or 'so far unknown'} lines processed; {owned or 'no members'}"

    def _gone(self, member, at):
        while self._read(member):
            pass
        self._end_spans(member, list(member.open), at)
        self.members.remove(member)

    def _read(self, member):
        lines = member.new_lines()
        for line in lines:
            kind, _, rest = line.partition(b" ")
            if kind == b"M":
                self._processed(member, *rest.split(b" ", 2))
            elif kind == b"C":
                partition, following = rest.split(b" ")
                self._committed(member, int(partition), int(following))
            elif kind == b"A":
                at, _, owned = rest.partition(b" ")
                self._assigned(member, int(at), {int(one) for one in owned.split(b",") if one.strip()})
            elif kind == b"R":
                self._end_spans(member, list(member.open), int(rest))
            else:
                self.disorder.append(f"{member.name} wrote {line[:60]!r}")
        return bool(lines)

    def _assigned(self, member, at, owned):
        self._end_spans(member, [partition for partition in member.open if partition not in owned], at)
        for partition in owned - member.open.keys():
            span = Span(member.name, partition, at)
            member.open[partition] = member.latest[partition] = span
            self.spans.append(span)

    def _end_spans(self, member, partitions, at):
        for partition in partitions:
            member.open.pop(partition).until = at

    def _processed(self, member, partition, offset, value):
        span = member.latest.get(int(partition))
        offset, number = int(offset), int(value.split(b" ", 1)[0])
        if span is None:
            self.disorder.append(f"{member.name} processed offset {offset} of partition {int(partition)}, which it never owned")
            return
        if span.first is None:
            span.first = offset
        elif offset != span.last + 1 or number <= span.number:
            self.disorder.append(
                f"{member.name}, partition {span.partition}: offset {offset} with line {number} after {span.last} with {span.number}")
        span.last, span.number = offset, number
        if self.processed[number]:
            self.doubled += 1
        else:
            self.processed[number] = 1
            self.different += 1

    def _committed(self, member, partition, following):
        span = member.latest.get(partition)
        if span is None or (span.committed is not None and following < span.committed):
            self.disorder.append(f"{member.name} committed {following} of partition {partition} after {span and span.committed}")
            return
        span.committed = following


def lost_lines(group):
    """Why not every line was processed, each ownership in order; None if so."""
    if group.expected is None or group.different != group.expected:
        return f"{group.different} of {group.expected} lines were processed, the first that was not is {group.processed.index(0)}"
    if group.disorder:
        return f"{len(group.disorder)} times out of order: {'; '.join(group.disorder[:3])}"
    return None


def commits_back(group, observed):
    """Why a commit went back, or None: an owner began before an acknowledged commit, or the observer saw less than before."""
    for partition, spans in _by_partition(group).items():
        highest = 0
        for span in spans:
            if span.first is not None and span.first < highest:
                return f"{span.member} began partition {partition} at {span.first}, but {highest} was committed"
            if span.committed is not None:
                if span.committed < highest:
                    return f"{span.member} committed {span.committed} of partition {partition} after {highest}"
                highest = span.committed
    before = {}
    for offsets in observed:
        for partition, offset in enumerate(offsets):
            if offset < before.get(partition, -1):
                return f"partition {partition} was seen committed at {before[partition]} and then at {offset}"
            before[partition] = offset
    return None if before else "the observer saw no committed offsets"


def two_owners(group):
    """Which partition had two owners for longer than a heartbeat, or None."""
    for partition, spans in _by_partition(group).items():
        for before, after in zip(spans, spans[1:]):
            until = before.until if before.until is not None else now_ms()
            if until - after.since > HEARTBEAT_MS:
                return f"partition {partition} was owned by {before.member} and {after.member} for {until - after.since} ms"
    return None


def longest_gap(group):
    """The longest time in ms for which a partition had no owner while the broker was there, and whose that was."""
    longest = (0, "nobody waited")
    for partition, spans in _by_partition(group).items():
        for before, after in zip(spans, spans[1:]):
            away = sum(max(0, min(end, after.since) - max(begin, before.until or 0)) for begin, end in group.outages)
            gap = after.since - (before.until or after.since) - away
            longest = max(longest, (gap, f"partition {partition} between {before.member} and {after.member}"))
    return longest


def slow_rebalance(group):
    """Which partition was without an owner for too long, or None."""
    gap, where = longest_gap(group)
    return f"{gap} ms without an owner: {where}" if gap > REBALANCE_SECONDS * 1000 else None


def _by_partition(group):
    spans = {partition: [] for partition in range(group.partitions)}
    for span in sorted(group.spans, key=lambda span: span.since):
        spans[span.partition].append(span)
    return spans


def report(prefix, failure, group, observed, every):
    """Prints the four rows of a test, `failure` being why it did not come to its end, or None; returns the exit code."""
    outcomes = {
        every: failure or lost_lines(group),
        f"{prefix}_commits_forward": commits_back(group, observed) or failure and f"unfinished: {failure}",
        f"{prefix}_one_owner": two_owners(group) or failure and f"unfinished: {failure}",
        f"{prefix}_rebalance_time": slow_rebalance(group) or failure and f"unfinished: {failure}",
    }
    for feature, reason in outcomes.items():
        print(f"FAIL {feature}: {reason}" if reason else f"PASS {feature}", flush=True)
    return 1 if any(outcomes.values()) else 0


def create_topic(family, bootstrap, topic, partitions):
    """Creates the topic by the librdkafka family's program."""
    command = [*builds.program(family), "create", topic, str(partitions)]
    subprocess.run(command, env={**os.environ, "BOOTSTRAP": bootstrap}, check=True)


class Observer:
    """Asks the broker for the group's committed offsets all the time, by the librdkafka family's program."""

    def __init__(self, family, bootstrap, group, topic, partitions, directory):
        self.path = Path(directory) / "committed.seen"
        with open(self.path, "wb") as file:
            self.process = subprocess.Popen(
                [*builds.program(family), "committed", group, topic, str(partitions)],
                env={**os.environ, "BOOTSTRAP": bootstrap}, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL)

    def end(self):
        """All that it saw, oldest first: the offsets of the partitions, -1 where nothing was committed."""
        self.process.kill()
        self.process.wait()
        whole = self.path.read_bytes().rpartition(b"\n")[0]
        return [[int(offset) for offset in line.split()] for line in whole.splitlines()]
