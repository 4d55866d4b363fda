"""The group features of several members: they come, leave, stay static, keep partitions, follow a pattern."""

import time

from compat.expect import ensure, same, until
from compat.membership import RunningMember, owned_once
from compat.port import SESSION_MS
from compat.reading import create, produce_numbers
from compat.stream import Stream, all_seen

PARTITIONS = 6


def group_grows(client):
    topic, group = create(client, "group_grows", PARTITIONS), client.name("group_grows")
    stream = Stream(client, topic, PARTITIONS)
    members = []
    for _ in range(3):
        members.append(RunningMember(client, group, [topic]))
        until(lambda: owned_once(members, topic, PARTITIONS))
        stream.wait_for(50)
        owned_once(members, topic, PARTITIONS)
    total = stream.end()
    until(lambda: all_seen(total, members))


def group_shrinks(client):
    topic, group = create(client, "group_shrinks", PARTITIONS), client.name("group_shrinks")
    stream = Stream(client, topic, PARTITIONS)
    members = [RunningMember(client, group, [topic]) for _ in range(3)]
    until(lambda: owned_once(members, topic, PARTITIONS))
    for left in (2, 1):
        began = time.monotonic()
        members[left].stop()
        until(lambda: owned_once(members[:left], topic, PARTITIONS))
        seconds = time.monotonic() - began
        ensure(seconds < SESSION_MS / 1000, f"after a polite leave the others waited {seconds:.1f} s, as for a session timeout")
    total = stream.end()
    until(lambda: all_seen(total, members))


def static_member(client):
    topic, group = create(client, "static_member", PARTITIONS), client.name("static_member")
    members = [RunningMember(client, group, [topic], instance=f"instance-{n}") for n in range(2)]
    until(lambda: owned_once(members, topic, PARTITIONS))
    stays, goes = members
    before, share = stays.rebalances, set(goes.owned)
    goes.stop()
    back = RunningMember(client, group, [topic], instance="instance-1")
    until(lambda: same(share, back.owned, "partitions after the restart"), SESSION_MS / 1000)
    # Two heartbeats and more, in which the other would hear of a rebalance.
    quiet = time.monotonic() + 1.5
    while time.monotonic() < quiet:
        same(before, stays.rebalances, "assignments and revocations of the other member")
        time.sleep(0.05)
    producer = client.keep(client.producer())
    for partition in range(PARTITIONS):
        produce_numbers(client, topic, partition, range(10), producer)
    until(lambda: same(PARTITIONS * 10, len(stays.read) + len(back.read), "records"))


def cooperative(client):
    topic, group = create(client, "cooperative", PARTITIONS), client.name("cooperative")
    stream = Stream(client, topic, PARTITIONS)
    members = [RunningMember(client, group, [topic], assignor="cooperative-sticky")]
    first = members[0]
    until(lambda: owned_once(members, topic, PARTITIONS))
    members.append(RunningMember(client, group, [topic], assignor="cooperative-sticky"))
    until(lambda: owned_once(members, topic, PARTITIONS))
    taken = set().union(*first.member.revocations)
    half = PARTITIONS // 2
    ensure(len(taken) <= half, f"expected at most {half} partitions revoked of the first member, got {sorted(taken)}")
    same(PARTITIONS - len(taken), len(first.owned), "partitions that the first member kept")
    total = stream.end()
    until(lambda: all_seen(total, members))


def pattern_subscribe(client):
    early = create(client, "pattern_subscribe_early")
    # Matches only what this feature creates in this run.
    pattern = "^" + client.name("pattern_subscribe_(early|late)") + "$"
    member = RunningMember(client, client.name("pattern_subscribe"), pattern=pattern, metadata_ms=500)
    until(lambda: same({(early, 0)}, member.owned, "assignment by the pattern"))
    late = create(client, "pattern_subscribe_late", 2)
    until(lambda: same({(early, 0), (late, 0), (late, 1)}, member.owned, "assignment after a matching topic was created"))
    produce_numbers(client, late, 1, range(5))
    until(lambda: same(5, sum(record.topic == late for record in member.read), "records of the later topic"))


CHECKS = [
    ("group_grows", group_grows), ("group_shrinks", group_shrinks), ("static_member", static_member),
    ("cooperative", cooperative), ("pattern_subscribe", pattern_subscribe),
]
