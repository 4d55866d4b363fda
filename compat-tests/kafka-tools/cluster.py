"""The rows of the node and its files: API versions, quorum, features, log directories, dumped segments, elections, moves."""

import json
import os
import re
from pathlib import Path

import groups
from tools import check, same

# Versions that a broker with classic groups must have, as the tool of this release names the keys.
VERSIONS = {
    "FindCoordinator": "0 to 6", "OffsetCommit": "2 to 10", "OffsetFetch": "1 to 10", "JoinGroup": "0 to 9", "Heartbeat": "0 to 4",
    "LeaveGroup": "0 to 5", "SyncGroup": "0 to 5", "DescribeGroups": "0 to 6", "ListGroups": "0 to 5", "DeleteGroups": "0 to 2",
    "OffsetDelete": "0", "DescribeLogDirs": "1 to 5", "DescribeTopicPartitions": "0", "ListConfigResources": "0 to 1",
    "DescribeQuorum": "0 to 2",
}


def broker_api_versions(tools):
    said = tools.run("kafka-broker-api-versions")
    for node, address in tools.nodes.items():
        check(f"{address} (id: {node} rack: null isFenced: false) -> (" in said, f"no node {node}: {said}")
    keys = {}
    for line in said.splitlines()[1:]:
        if line == ")":  # the end of a node; they all say the same
            break
        key = re.fullmatch(r"\t(\w+)\(\d+\): (?:(\d+(?: to \d+)?) \[usable: (\d+)\]|UNSUPPORTED),?", line)
        check(key, f"a line that says no versions: {line!r}")
        keys[key[1]] = key[2]
        check(not key[2] or key[3] == key[2].split()[-1], f"the newest version cannot be used: {line}")
    same(VERSIONS, {name: keys.get(name) for name in VERSIONS}, "versions")


def cluster_id(tools):
    said = tools.run("kafka-cluster", "cluster-id")
    check(re.search(r"^Cluster ID: [\w-]{22}$", said, re.MULTILINE), f"said: {said}")


def metadata_quorum(tools):
    # A follower may be behind for a moment.
    tools.eventually(lambda: quorum_shown(tools))


def quorum_shown(tools):
    said = tools.run("kafka-metadata-quorum", "describe", "--status")
    status = dict(re.findall(r"^(\w+): +(.*)$", said, re.MULTILINE))
    same(("0", "[]"), tuple(status.get(name) for name in ("MaxFollowerLag", "CurrentObservers")), "lag, observers")
    leader = int(status["LeaderId"])
    check(leader in tools.nodes, f"leader: {said}")
    same(list(tools.nodes), sorted(int(voter) for voter in re.findall(r'"id": (\d+)', status.get("CurrentVoters", ""))), "voters")
    check(int(status["HighWatermark"]) > 0 and int(status["LeaderEpoch"]) > 0, f"high watermark and epoch: {said}")
    said = tools.run("kafka-metadata-quorum", "describe", "--replication")
    shown = re.findall(r"^(\d+)\s+\S{22}\s+[1-9]\d*\s+(\d+)\s+\d+\s+\d+\s+(Leader|Follower)\s*$", said, re.MULTILINE)
    kinds = {node: "Leader" if node == leader else "Follower" for node in tools.nodes}
    same(kinds, {int(node): kind for node, _, kind in shown}, f"replication: {said}")
    check((str(leader), "0", "Leader") in shown, f"lag of the leader: {said}")


def features(tools):
    """A broker that has finalised no feature lists none; what it lists must be well-formed, and what nobody knows is refused."""
    said = tools.run("kafka-features", "describe")
    form = r"Feature: (\S+)\s+SupportedMinVersion: (\S+)\s+SupportedMaxVersion: (\S+)\s+FinalizedVersionLevel: (\S+)\s+Epoch: \d+"
    for line in said.splitlines():
        check(re.match(form, line), f"a line that describes no feature: {line!r}")
    tools.refused("does not support this feature", "kafka-features", "upgrade", "--feature", "no.such.version=1", "--dry-run")


def leader_election(tools):
    name = tools.name("leader_election")
    tools.produce(name, 0, 0, 1)
    said = tools.run("kafka-leader-election", "--election-type", "preferred", "--topic", name, "--partition", "0")
    check(f"Valid replica already elected for partitions {name}-0" in said, f"said: {said}")


def reassign_partitions(tools):
    name = tools.name("reassign_partitions")
    tools.produce(name, 0, 0, 1)
    move, plan = tools.scratch / "topics-to-move.json", tools.scratch / "plan.json"
    move.write_text(json.dumps({"version": 1, "topics": [{"topic": name}]}))
    nodes = ",".join(map(str, tools.nodes))
    said = tools.run("kafka-reassign-partitions", "--generate", "--broker-list", nodes, "--topics-to-move-json-file", str(move))
    current, proposed = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    same(list(tools.nodes), sorted(current["partitions"][0]["replicas"]), "current replicas")
    found = [(one["topic"], one["partition"], sorted(one["replicas"])) for one in proposed["partitions"]]
    same([(name, 0, list(tools.nodes))], found, "proposed replicas")
    if len(tools.nodes) > 1:
        # One replica goes, and comes back by what the tool proposed.
        fewer = {"version": 1, "partitions": [{"topic": name, "partition": 0, "replicas": current["partitions"][0]["replicas"][1:]}]}
        reassigned(tools, name, plan, fewer)
    reassigned(tools, name, plan, proposed)
    same(proposed["partitions"][0]["replicas"], tools.partition(name)[1], "replicas in the end")
    same("0\n", tools.consume(name, "%s\n"), "the record in the end")
    check("No partition reassignments found." in tools.run("kafka-reassign-partitions", "--list"), "a reassignment goes on")


def reassigned(tools, name, plan, wanted):
    plan.write_text(json.dumps(wanted))
    said = tools.run("kafka-reassign-partitions", "--execute", "--reassignment-json-file", str(plan))
    check(f"Successfully started partition reassignment for {name}-0" in said, f"execute said: {said}")
    tools.eventually(lambda: verified(tools, name, plan))


def verified(tools, name, plan):
    said = tools.run("kafka-reassign-partitions", "--verify", "--reassignment-json-file", str(plan))
    check(f"Reassignment of partition {name}-0 is completed." in said, f"verify said: {said}")


def log_dirs(tools):
    name = tools.name("log_dirs")
    tools.produce(name, 0, 0, 1000)
    leader = tools.partition(name)[0]
    said = tools.run("kafka-log-dirs", "--describe", "--topic-list", name, "--broker-list", str(leader))
    brokers = json.loads(said.splitlines()[-1])["brokers"]
    same([leader], [broker["broker"] for broker in brokers], "brokers")
    for directory in brokers[0]["logDirs"]:
        same(None, directory["error"], f"error of {directory['logDir']}")
    found = [one for directory in brokers[0]["logDirs"] for one in directory["partitions"]]
    same([(f"{name}-0", 0, False)], [(one["partition"], one["offsetLag"], one["isFuture"]) for one in found], "partitions")
    check(found[0]["size"] > 3000, f"size of 1000 records: {found}")


def segments(tools, partition):
    """The segment files of one partition on its leader, in order, as kafka-dump-log takes them."""
    topic, index = partition.rsplit("-", 1)
    data = os.environ["BROKER_DATA"].split(":")[tools.partition(topic, int(index))[0] - 1]
    found = sorted((Path(data) / partition).glob("*.log"))
    check(found, f"no segment of {partition} in the broker's data")
    return ["--files", ",".join(str(path) for path in found)]


def dump_log(tools):
    name = tools.name("dump_log")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        tools.kcat("-P", "-t", name, "-p", "0", "-z", codec, "-K", "=", "-H", "h=x", stdin=f"key={codec * 20}\n")
    said = dumped(tools, f"{name}-0", "--print-data-log")
    for offset, codec in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
        record = rf"^\| offset: {offset} CreateTime: \d+ keySize: 3 valueSize: {20 * len(codec)} .*headerKeys: \[h\] key: key payload: {codec * 20}$"
        check(re.search(record, said, re.MULTILINE), f"no record {offset}: {said}")
        check(re.search(rf"^baseOffset: {offset} .* compresscodec: {codec} ", said, re.MULTILINE), f"no batch of {codec}: {said}")
    with tools.member(name, name) as read:
        tools.eventually(lambda: check("0 4" in read.read_text().splitlines(), "the member did not read all"))
    tools.eventually(lambda: offsets_dumped(tools, name))


def offsets_dumped(tools, group):
    """The group's partition of `__consumer_offsets`: its commit, its generation with the member, and that it is empty again."""
    said = dumped(tools, f"__consumer_offsets-{groups.offsets_partition(group)}", "--offsets-decoder")
    decoded = {"1": [], "2": []}
    for kind, key, payload in re.findall(r'key: \{"type":"(\d)","data":(\{.*?\})\} payload: (.*)$', said, re.MULTILINE):
        if json.loads(key)["group"] == group and payload.startswith("{"):
            decoded[kind].append((json.loads(key), json.loads(payload)["data"]))
    commits = [value["offset"] for key, value in decoded["1"] if (key["topic"], key["partition"]) == (group, 0)]
    same([5], commits[-1:], f"the last commit, decoded: {said}")
    with_member = [value for _, value in decoded["2"] if value["members"]]
    check(with_member, f"no generation with a member: {said}")
    member = with_member[-1]["members"][0]
    same("consumer", with_member[-1]["protocolType"], "protocol type")
    same(([group], [{"topic": group, "partitions": [0]}]), (member["subscription"]["topics"], member["assignment"]["assignedPartitions"]),
         "subscription and assignment of the member")
    same([], decoded["2"][-1][1]["members"], "members of the last generation")


def dumped(tools, partition, *arguments):
    said = tools.run("kafka-dump-log", *segments(tools, partition), *arguments)
    check("isvalid: true" in said and "isvalid: false" not in said, f"an invalid batch: {said}")
    for trouble in ("Found ", "Mismatches", "Failed", "unreadable", "corrupt"):
        check(trouble not in said, f"the dump found trouble: {said}")
    return said


ROWS = {
    "tool_log_dirs": log_dirs,
    "tool_dump_log": dump_log,
    "tool_broker_api_versions": broker_api_versions,
    "tool_cluster_id": cluster_id,
    "tool_metadata_quorum": metadata_quorum,
    "tool_features": features,
    "tool_leader_election": leader_election,
    "tool_reassign_partitions": reassign_partitions,
}
