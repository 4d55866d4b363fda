"""Groups through failures: a member that dies without a word, a broker that is restarted or killed under a group at work."""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from compat.control import control
from compat.expect import PATIENCE, ensure, same, until
from compat.membership import RunningMember, owned_once
from compat.port import REBALANCE_MS, SESSION_MS
from compat.reading import create
from compat.stream import Stream, all_seen

PARTITIONS = 6


class ChildMember:
    """This very program in `member` mode, and what it wrote down."""

    def __init__(self, client, group, topic):
        scratch = os.environ.get("SCRATCH") or tempfile.gettempdir()
        self.out = Path(scratch) / f"{client.name('child')}-{group}.out"
        environment = {**os.environ, "GROUP": group, "TOPIC": topic, "OUT_FILE": str(self.out), "CLIENT_ID": "child"}
        self.process = subprocess.Popen([sys.executable, sys.argv[0], "member"], stdin=subprocess.DEVNULL, env=environment)
        client.keep(self)

    def lines(self, kind):
        """The complete lines of one kind, without their first word."""
        if not self.out.exists():
            return []
        whole, _, _ = self.out.read_text(errors="replace").rpartition("\n")
        return [line.split(" ")[1:] for line in whole.split("\n") if line.startswith(f"{kind} ")]

    def assignment(self):
        """The partitions that it owned last."""
        assignments = self.lines("A")
        if not assignments or len(assignments[-1]) < 2:
            return set()
        return {int(partition) for partition in assignments[-1][1].split(",")}

    def kill(self):
        """Ends it without goodbye."""
        self.process.kill()
        self.process.wait()

    close = kill


def member_lost(client):
    topic, group = create(client, "member_lost", PARTITIONS), client.name("member_lost")
    stream = Stream(client, topic, PARTITIONS)
    survivor = RunningMember(client, group, [topic])
    child = ChildMember(client, group, topic)

    def at_work():
        share, committed = child.assignment(), {int(partition) for partition, _ in child.lines("C")}
        same((3, 3), (len(survivor.owned), len(share)), "partitions of the survivor and of the child")
        ensure(share <= committed, f"the child owns {share} and committed only in {committed}")
        return share
    lost = until(at_work)
    child.kill()
    began, seen_before = time.monotonic(), len(survivor.read)
    admin = client.keep(client.admin())
    committed = {partition: offset for partition, (offset, _) in admin.group_offsets(group, topic, sorted(lost)).items()}
    until(lambda: owned_once([survivor], topic, PARTITIONS))
    seconds, longest = time.monotonic() - began, (SESSION_MS + REBALANCE_MS) / 1000
    ensure(seconds < longest, f"the survivor got the partitions after {seconds:.1f} s, expected at most {longest:g}")
    total = stream.end()
    until(lambda: all_seen(total, [survivor], [int(value) for _, _, value in child.lines("M")]))
    first = {}
    for record in survivor.read[seen_before:]:
        if record.partition in lost:
            first.setdefault(record.partition, record.offset)
    same(committed, first, "first offsets read of the lost partitions, which were committed")


def through(verb, client):
    """Two members consume while the broker goes and comes; both go on and nothing is lost or goes back."""
    feature = f"group_{verb}"
    topic, group = create(client, feature, PARTITIONS), client.name(feature)
    stream = Stream(client, topic, PARTITIONS)
    members = [RunningMember(client, group, [topic]) for _ in range(2)]
    until(lambda: owned_once(members, topic, PARTITIONS))
    until(lambda: ensure(all(member.member.commits for member in members), "a member without a commit"))
    admin = client.keep(client.admin())
    before = admin.group_offsets(group, topic, range(PARTITIONS))
    control(verb)
    read_before = [len(member.read) for member in members]
    stream.wait_for(100)
    total = stream.end()
    until(lambda: all_seen(total, members), 2 * PATIENCE)
    until(lambda: owned_once(members, topic, PARTITIONS))
    for member, count in zip(members, read_before):
        ensure(len(member.read) > count, f"a member read nothing after the broker came back; it had read {count}")
    ends = {partition: len(range(partition, total, PARTITIONS)) for partition in range(PARTITIONS)}

    def all_committed():
        after = client.keep(client.admin()).group_offsets(group, topic, range(PARTITIONS))
        same(ends, {partition: offset for partition, (offset, _) in after.items()}, "committed offsets at the end")
    until(all_committed)
    for partition, (offset, _) in before.items():
        ensure(offset <= ends[partition], f"partition {partition} was committed at {offset}, beyond its end {ends[partition]}")
    never_back([commit for member in members for commit in member.member.commits])


def never_back(commits):
    """The acknowledged commits of a partition only grow, whichever member made them."""
    last = {}
    for _, place, offset in sorted(commits):
        ensure(offset >= last.get(place, 0), f"{place} was committed at {offset} after {last.get(place)}")
        last[place] = offset


CHECKS = [("member_lost", member_lost), ("group_restart", partial(through, "restart")), ("group_kill", partial(through, "kill"))]
