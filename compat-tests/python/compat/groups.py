"""The admin features of groups: list, describe, alter and delete offsets, delete."""

from compat.expect import ensure, refused, same, until
from compat.membership import RunningMember, owned_once
from compat.port import NON_EMPTY_GROUP
from compat.reading import create, produce_numbers


def left_behind(client, feature):
    """A topic of two partitions and the name of an empty group that committed the ends of both."""
    topic, group = create(client, feature, 2), client.name(feature)
    producer = client.keep(client.producer())
    for partition in range(2):
        produce_numbers(client, topic, partition, range(20), producer)
    member = RunningMember(client, group, [topic])
    until(lambda: same(40, len(member.read), "records"))
    member.stop()
    committed = client.keep(client.admin()).group_offsets(group, topic, [0, 1])
    same({0: (20, ""), 1: (20, "")}, committed, "offsets committed by the member")
    return topic, group


def list_groups(client):
    topic, group = create(client, "list_groups"), client.name("list_groups")
    admin = client.keep(client.admin())
    ensure(group not in admin.list_groups(), f"{group} is listed before it exists")
    member = RunningMember(client, group, [topic])
    until(lambda: ensure(member.owned, "no assignment"))

    def listed(state):
        groups = admin.list_groups()
        ensure(group in groups, f"{group} is not among {sorted(groups)}")
        ensure(groups[group] in (state, None), f"state: expected {state}, got {groups[group]}")
    until(lambda: listed("Stable"))
    member.stop()
    until(lambda: listed("Empty"))


def describe_group(client):
    topic, group = create(client, "describe_group", 4), client.name("describe_group")
    members = [RunningMember(client, group, [topic], client_id=f"described-{n}") for n in range(2)]
    until(lambda: owned_once(members, topic, 4))
    admin = client.keep(client.admin())

    def described():
        seen = admin.describe_group(group)
        same("Stable", seen.state, "state")
        ensure(seen.protocol_type in ("consumer", None), f"protocol type: expected consumer, got {seen.protocol_type}")
        ensure(seen.protocol in ("range", None), f"protocol: expected range, got {seen.protocol}")
        owned = {f"described-{n}": member.owned for n, member in enumerate(members)}
        same(owned, {member.client_id: member.assignment for member in seen.members}, "members and their assignments")
    until(described)
    for member in members:
        member.stop()

    def left():
        seen = admin.describe_group(group)
        same(("Empty", []), (seen.state, seen.members), "state and members after all left")
    until(left)


def alter_group_offsets(client):
    topic, group = left_behind(client, "alter_group_offsets")
    admin = client.keep(client.admin())
    admin.alter_group_offsets(group, topic, {0: 7, 1: 13})
    altered = admin.group_offsets(group, topic, [0, 1])
    same({0: 7, 1: 13}, {partition: offset for partition, (offset, _) in altered.items()}, "offsets")
    member = RunningMember(client, group, [topic])
    until(lambda: same(13 + 7, len(member.read), "records after the altered offsets"))
    first = {partition: min(record.offset for record in member.read if record.partition == partition) for partition in (0, 1)}
    same({0: 7, 1: 13}, first, "first offsets read")


def delete_group_offsets(client):
    topic, group = left_behind(client, "delete_group_offsets")
    admin = client.keep(client.admin())
    admin.delete_group_offsets(group, topic, [0])
    same({1: (20, "")}, admin.group_offsets(group, topic, [0, 1]), "offsets left")


def delete_group(client):
    topic, group = left_behind(client, "delete_group")
    admin = client.keep(client.admin())
    member = RunningMember(client, group, [topic])
    until(lambda: ensure(member.owned, "no assignment"))
    refused(client, NON_EMPTY_GROUP, admin.delete_group, group)
    member.stop()
    admin.delete_group(group)
    same({}, admin.group_offsets(group, topic, [0, 1]), "offsets of the deleted group")
    ensure(group not in admin.list_groups(), f"{group} is still listed")


CHECKS = [
    ("list_groups", list_groups), ("describe_group", describe_group), ("alter_group_offsets", alter_group_offsets),
    ("delete_group_offsets", delete_group_offsets), ("delete_group", delete_group),
]
