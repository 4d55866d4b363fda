"""The rows of consumer groups: kafka-consumer-groups describes, resets and deletes, kafka-groups lists."""

import datetime
import re
import subprocess
import time

from tools import check, same, table

OFFSETS_PARTITIONS = 50
ENDS = {0: 10, 1: 20, 2: 30}


def filled(tools, row):
    """A topic for one row, of three partitions with 10, 20 and 30 records; its name is its group's too."""
    name = tools.topic(row, len(ENDS))
    for partition, count in ENDS.items():
        tools.produce(name, partition, 0, count)
    return name


def groups(tools, *arguments):
    return tools.run("kafka-consumer-groups", *arguments)


def offsets_partition(group):
    """Where Kafka keeps a group: the absolute value of the Java hash of its name, an int of 32 bits, modulo the partitions."""
    value = 0
    for unit in group:
        value = (value * 31 + ord(unit)) & 0xFFFFFFFF
    if value >= 1 << 31:
        value = (1 << 32) - value
    return value % OFFSETS_PARTITIONS


def committed(tools, group, *arguments):
    """Current offset, end offset and lag by partition, as kafka-consumer-groups shows them; and all that it said."""
    said = groups(tools, "--describe", *(arguments or ["--group", group]))
    rows = [row for row in table(said, "GROUP", "CURRENT-OFFSET", "LAG") if row["GROUP"] == group]
    return {int(row["PARTITION"]): (row["CURRENT-OFFSET"], row["LOG-END-OFFSET"], row["LAG"]) for row in rows}, said


def describe(tools):
    name = filled(tools, "groups_describe")
    path = tools.scratch / "console-consumer.out"
    with open(path, "w") as out:
        live = subprocess.Popen(
            tools.command("kafka-console-consumer", "--topic", name, "--group", name, "--from-beginning", *[
                word for pair in ("client.id=console", "auto.commit.interval.ms=200", "session.timeout.ms=6000")
                for word in ("--command-property", pair)]),
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        describe_live(tools, name, path)
    finally:
        live.terminate()
        live.wait(30)
    tools.produce(name, 2, 30, 7)
    (offsets, said) = committed(tools, name)
    check(f"Consumer group '{name}' has no active members." in said, f"said: {said}")
    same({0: ("10", "10", "0"), 1: ("20", "20", "0"), 2: ("30", "37", "7")}, offsets, "offset, end and lag of the empty group")
    state = table(groups(tools, "--describe", "--group", name, "--state"), "GROUP", "STATE")
    same(("Empty", "0"), (state[0]["STATE"], state[0]["#MEMBERS"]), "state of the empty group")
    tools.refused("not found", "kafka-consumer-groups", "--describe", "--group", name + "-missing")


def describe_live(tools, name, path):
    """The group while its one member, a console consumer, has read everything."""
    tools.eventually(lambda: same(60, len(re.findall(r"^\d+$", path.read_text(), re.MULTILINE)), "records read by the live member"))

    def all_read():
        offsets, said = committed(tools, name, "--all-groups")
        same({p: (str(end), str(end), "0") for p, end in ENDS.items()}, offsets, "offset, end and lag of the live group")
        check(re.search(r" console-\S+ +/127\.0\.0\.1 +console", said), f"no member id, host and client id: {said}")

    tools.eventually(all_read)
    said = groups(tools, "--describe", "--group", name, "--members", "--verbose")
    member = table(said, "CONSUMER-ID", "CLIENT-ID")[0]
    same(("/127.0.0.1", "console", "3"), (member["HOST"], member["CLIENT-ID"], member["#PARTITIONS"]), "host, client and partitions")
    check(f"{name}:0,1,2" in said, f"no assignment: {said}")
    said = groups(tools, "--describe", "--group", name, "--state")
    coordinator = re.search(rf"^{name} +(\S+) +\((\d+)\) +range +Stable +1$", said, re.MULTILINE)
    check(coordinator and tools.nodes.get(int(coordinator[2])) == coordinator[1], f"state: {said}")


def new_offsets(tools, group, *arguments):
    """The offsets that a reset of `group` says to set, by partition."""
    said = groups(tools, "--reset-offsets", "--group", group, "--topic", group, *arguments)
    return {int(row["PARTITION"]): int(row["NEW-OFFSET"]) for row in table(said, "GROUP", "NEW-OFFSET")}


def reset_offsets(tools):
    name = filled(tools, "reset_offsets")
    # A moment after all of these records and before the next.
    moment = int(time.time() * 1000) + 2
    while time.time() * 1000 <= moment + 1:
        pass
    tools.produce(name, 0, 10, 5)
    with tools.member(name, name):
        tools.refused("Assignments can only be reset if the group", "kafka-consumer-groups", "--reset-offsets", "--group", name,
                      "--topic", name, "--to-earliest", "--execute")
    left = committed(tools, name)[0]
    same({0: 0, 1: 0, 2: 0}, new_offsets(tools, name, "--to-earliest", "--dry-run"), "to earliest, dry run")
    same(left, committed(tools, name)[0], "offsets after a dry run")
    same({0: 0, 1: 0, 2: 0}, new_offsets(tools, name, "--to-earliest", "--execute"), "to earliest")
    utc = datetime.datetime.fromtimestamp(moment / 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    same({0: 10, 1: 20, 2: 30}, new_offsets(tools, name, "--to-datetime", utc, "--execute"), "to date and time")
    same({0: 7, 1: 17, 2: 27}, new_offsets(tools, name, "--shift-by", "-3", "--execute"), "shifted by -3")
    same({0: ("7", "15", "8"), 1: ("17", "20", "3"), 2: ("27", "30", "3")}, committed(tools, name)[0], "offset, end and lag at the end")


def delete(tools):
    name = filled(tools, "groups_delete")
    with tools.member(name, name):
        tools.refused("GroupNotEmptyException", "kafka-consumer-groups", "--delete", "--group", name)
    said = tools.eventually(lambda: groups(tools, "--delete", "--group", name))
    check(f"Deletion of requested consumer groups ('{name}') was successful." in said, f"said: {said}")
    check(name not in groups(tools, "--list").split(), "still listed")
    tools.refused("GroupIdNotFoundException", "kafka-consumer-groups", "--delete", "--group", name)


def delete_offsets(tools):
    name = filled(tools, "groups_delete_offsets")
    new_offsets(tools, name, "--to-latest", "--execute")
    said = groups(tools, "--delete-offsets", "--group", name, "--topic", f"{name}:1")
    check(re.search(rf"^{name} +1 +Successful", said, re.MULTILINE), f"said: {said}")
    same({0: ("10", "10", "0"), 2: ("30", "30", "0")}, committed(tools, name)[0], "offset, end and lag left")


def listed(tools):
    name = filled(tools, "groups")
    with tools.member(name, name):
        said = tools.run("kafka-groups", "--list")
        check(re.search(rf"^{name} +Classic +consumer\b", said, re.MULTILINE), f"listed as: {said}")
        states = groups(tools, "--list", "--state")
        check(re.search(rf"^{name} +Stable\b", states, re.MULTILINE), f"listed with states as: {states}")

    def empty():
        states = groups(tools, "--list", "--state", "Empty")
        check(re.search(rf"^{name} +Empty\b", states, re.MULTILINE), f"empty groups listed as: {states}")

    tools.eventually(empty)


ROWS = {
    "tool_consumer_groups_describe": describe,
    "tool_consumer_groups_reset_offsets": reset_offsets,
    "tool_consumer_groups_delete": delete,
    "tool_consumer_groups_delete_offsets": delete_offsets,
    "tool_groups": listed,
}
