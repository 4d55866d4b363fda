"""The group features of one member: it reads everything, resumes where it committed, keeps text beside an offset."""

from compat.expect import ensure, same, until
from compat.membership import RunningMember
from compat.reading import create, produce_numbers


def group_consume(client):
    topic = create(client, "group_consume", 3)
    producer = client.keep(client.producer())
    for partition in range(3):
        produce_numbers(client, topic, partition, range(partition * 1000, partition * 1000 + 100), producer)
    member = RunningMember(client, client.name("group_consume"), [topic])
    until(lambda: same(300, len(member.read), "records"))
    same({(topic, partition) for partition in range(3)}, member.owned, "assignment")
    for partition in range(3):
        values = [int(record.value) for record in member.read if record.partition == partition]
        same(list(range(partition * 1000, partition * 1000 + 100)), values, f"numbers of partition {partition}")
    member.stop()


def commit_resume(client):
    topic, group = create(client, "commit_resume", 2), client.name("commit_resume")
    producer = client.keep(client.producer())
    for partition in range(2):
        produce_numbers(client, topic, partition, range(100), producer)
    first = RunningMember(client, group, [topic], every=None)
    until(lambda: same(200, len(first.read), "records of the first member"))
    first.member.ask({(topic, 0): (37, ""), (topic, 1): (61, "")})
    until(lambda: same(2, len(first.member.commits), "acknowledged commits"))
    first.stop()
    second = RunningMember(client, group, [topic], every=None)
    until(lambda: same(63 + 39, len(second.read), "records of the second member"))
    for partition, place in ((0, 37), (1, 61)):
        offsets = [record.offset for record in second.read if record.partition == partition]
        same(list(range(place, 100)), offsets, f"offsets of partition {partition} from its commit on")
    second.stop()


def offset_metadata(client):
    topic, group = create(client, "offset_metadata", 2), client.name("offset_metadata")
    produce_numbers(client, topic, 0, range(10))
    text = "half way, ünd more"
    member = RunningMember(client, group, [topic], every=None)
    until(lambda: ensure(member.owned, "no assignment"))
    member.member.ask({(topic, 0): (5, text)})
    until(lambda: same(1, len(member.member.commits), "acknowledged commits"))
    offsets = client.keep(client.admin()).group_offsets(group, topic, [0, 1])
    same({0: (5, text)}, offsets, "offsets and metadata")
    member.stop()


CHECKS = [("group_consume", group_consume), ("commit_resume", commit_resume), ("offset_metadata", offset_metadata)]
