"""The rows of topics and their records: kafka-topics, -configs, the console clients, -get-offsets, -delete-records, perf tests."""

import json
import re
import time

import groups
from tools import check, same


def topics(tools):
    name = tools.name("topics")
    create = ["--create", "--topic", name, "--partitions", "3", "--replication-factor", str(len(tools.nodes))]
    create += ["--config", "retention.ms=86400000"]
    check(f"Created topic {name}." in tools.run("kafka-topics", *create), "not said to be created")
    tools.refused("already exists", "kafka-topics", *create)
    listed = tools.run("kafka-topics", "--list").split()
    check(name in listed, f"not among {listed}")
    described(tools, name, 3, "retention.ms=86400000")
    tools.run("kafka-topics", "--alter", "--topic", name, "--partitions", "5")
    described(tools, name, 5, "retention.ms=86400000")
    tools.run("kafka-topics", "--delete", "--topic", name)
    tools.refused("does not exist", "kafka-topics", "--describe", "--topic", name)


def described(tools, name, partitions, config):
    said = tools.run("kafka-topics", "--describe", "--topic", name)
    head = re.search(rf"Topic: {name}\tTopicId: \S{{22}}\tPartitionCount: (\d+)\tReplicationFactor: {len(tools.nodes)}\tConfigs: (\S*)", said)
    check(head and int(head[1]) == partitions and config in head[2].split(","), f"described as {said}")
    each = re.findall(rf"\tTopic: {name}\tPartition: (\d+)\tLeader: (\d+)\tReplicas: ([\d,]+)\tIsr: ([\d,]+)", said)
    same(sorted(map(str, range(partitions))), sorted(one[0] for one in each), "partitions with leader, replicas and isr")
    for _, leader, *both in each:
        check(int(leader) in tools.nodes, f"leader {leader}: {said}")
        same([list(tools.nodes)] * 2, [sorted(map(int, ids.split(","))) for ids in both], "replicas and isr")


def configs(tools):
    name = tools.topic("configs")
    dynamic(tools, ["topics", name], {"retention.ms": "1000000", "max.message.bytes": "500000"})
    tools.refused("InvalidConfigurationException", "kafka-configs", "--alter", *entity(["topics", name]), "--add-config", "retention.ms=soon")
    every = tools.run("kafka-configs", "--describe", "--all", *entity(["topics", name]))
    check("  retention.ms=604800000 sensitive=false synonyms={" in every, f"all configs lack the default retention.ms: {every}")
    dynamic(tools, ["brokers", "1"], {"max.connections": "5000"})
    dynamic(tools, ["groups", tools.name("configs")], {"consumer.session.timeout.ms": "50000"})
    dynamic(tools, ["client-metrics", tools.name("configs")], {"interval.ms": "1000", "metrics": "org.apache.kafka.producer."})


def entity(of):
    return ["--entity-type", of[0], "--entity-name", of[1]]


def dynamic(tools, of, values):
    """Sets `values` on an entity, sees them, takes them back and sees none of them."""
    added = ",".join(f"{name}={value}" for name, value in values.items())
    check("Completed updating config" in tools.run("kafka-configs", "--alter", *entity(of), "--add-config", added), "not completed")

    def shown(expected):
        said = tools.run("kafka-configs", "--describe", *entity(of))
        found = dict(re.findall(r"^  ([\w.]+)=(\S*) sensitive=false synonyms=\{DYNAMIC_", said, re.MULTILINE))
        same(expected, {name: found[name] for name in values if name in found}, f"dynamic configs of {of}, shown as {said}")

    tools.eventually(lambda: shown(values))
    tools.run("kafka-configs", "--alter", *entity(of), "--delete-config", ",".join(values))
    tools.eventually(lambda: shown({}))


def console_producer(tools):
    name = tools.topic("console_producer")
    lines = "a:1,b:2\tkey one\tvalue one\nc:3\tkey two\tNONE\nd:4\tkey three\tgrüße\n"
    tools.run("kafka-console-producer", "--topic", name, "--compression-codec", "zstd", "--command-property", "acks=all",
              "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
              "--reader-property", "null.marker=NONE", stdin=lines)
    read = tools.consume(name, "%o|%h|%k|%S|%s\n").splitlines()
    same(["0|a=1,b=2|key one|9|value one", "1|c=3|key two|-1|", "2|d=4|key three|7|grüße"], read, "records")


def console_consumer(tools):
    name = tools.name("console_consumer")
    tools.kcat("-P", "-t", name, "-p", "0", "-K", "=", "-H", "h=x", stdin="k1=one\nk2=two\nk3=three\n")
    before = int(time.time() * 1000)
    group = ["--topic", name, "--group", name, "--timeout-ms", "30000"]
    shown = [word for name in ("timestamp", "partition", "offset", "headers", "key") for word in ("--formatter-property", f"print.{name}=true")]
    said = tools.run("kafka-console-consumer", *group, "--from-beginning", "--max-messages", "2", *shown)
    found = re.findall(r"^CreateTime:(\d+)\tPartition:0\tOffset:(\d)\th:x\t(\w+)\t(\w+)$", said, re.MULTILINE)
    same([("0", "k1", "one"), ("1", "k2", "two")], [one[1:] for one in found], f"records, shown as {said}")
    check(all(before - 60_000 < int(one[0]) <= before for one in found), f"timestamps not of now: {said}")
    check("Processed a total of 2 messages" in said, f"said: {said}")
    resumed = tools.run("kafka-console-consumer", *group, "--from-beginning", "--max-messages", "1")
    same(["three"], values(resumed), "values after the group's commit")
    placed = tools.run("kafka-console-consumer", "--topic", name, "--partition", "0", "--offset", "1", "--max-messages", "2")
    same(["two", "three"], values(placed), "values from offset 1")
    tools.eventually(lambda: commits_shown(tools, name))


def commits_shown(tools, group):
    """The group's two commits, 2 and 3, in its partition of `__consumer_offsets`."""
    said = tools.run("kafka-console-consumer", "--topic", "__consumer_offsets", "--partition", str(groups.offsets_partition(group)),
                     "--offset", "earliest", "--timeout-ms", "3000", "--formatter", "org.apache.kafka.tools.consumer.OffsetsMessageFormatter")
    offsets = re.findall(rf'"group":"{group}","topic":"{group}","partition":0\}}\}},"value":\{{"version":\d,"data":\{{"offset":(\d+)', said)
    same({"2", "3"}, set(offsets), f"offsets committed, shown as {said}")


def values(said):
    """The records' values among the consumer's other words."""
    return [line for line in said.splitlines() if line in ("one", "two", "three")]


def get_offsets(tools):
    name = tools.topic("get_offsets", 2)
    tools.produce(name, 0, 0, 10)
    tools.produce(name, 1, 0, 4)
    tools.kcat("-P", "-t", name, "-p", "0", stdin="last\n")
    time_of_last = json.loads(tools.kcat("-C", "-q", "-e", "-t", name, "-p", "0", "-o", "10", "-J"))["ts"]

    def offsets(*arguments):
        return sorted(tools.run("kafka-get-offsets", *arguments).split())

    same([f"{name}:0:11", f"{name}:1:4"], offsets("--topic", name, "--time", "-1"), "latest")
    same([f"{name}:0:0", f"{name}:1:0"], offsets("--topic", name, "--time", "-2"), "earliest")
    same([f"{name}:0:10"], offsets("--topic-partitions", f"{name}:0", "--time", "-3"), "of the greatest timestamp")
    same([f"{name}:0:10"], offsets("--topic-partitions", f"{name}:0-1", "--time", str(time_of_last)), "by time")
    check(f"{name}:1:4" in offsets("--topic-partitions", f"{name}:1,{name}:0"), "partitions listed one by one")


def delete_records(tools):
    name = tools.name("delete_records")
    tools.produce(name, 0, 0, 10)
    path = tools.scratch / "delete-records.json"
    path.write_text(json.dumps({"version": 1, "partitions": [{"topic": name, "partition": 0, "offset": 4}]}))
    said = tools.run("kafka-delete-records", "--offset-json-file", str(path))
    check(f"partition: {name}-0\tlow_watermark: 4" in said, f"said: {said}")
    same([str(number) for number in range(4, 10)], tools.consume(name, "%s\n").split(), "records left")


def producer_perf(tools):
    name = tools.topic("producer_perf", 3)
    said = tools.run("kafka-producer-perf-test", "--topic", name, "--num-records", "20000", "--record-size", "100",
                     "--throughput", "-1", "--command-property", "acks=all", "compression.type=lz4")
    check(re.search(r"^20000 records sent, [\d.]+ records/sec .* ms 99\.9th\.$", said, re.MULTILINE), f"said: {said}")
    same(20000, sum(end_offsets(tools, name)), "records in the log")


def end_offsets(tools, name):
    return [int(line.rsplit(":", 1)[1]) for line in tools.run("kafka-get-offsets", "--topic", name).split()]


def consumer_perf(tools):
    name = tools.name("consumer_perf")
    tools.produce(name, 0, 0, 20000)
    said = tools.run("kafka-consumer-perf-test", "--topic", name, "--num-records", "20000", "--group", name, "--timeout", "30000")
    last = [cell.strip() for cell in said.splitlines()[-1].split(",")]
    check(len(last) > 5 and last[4] == "20000", f"records consumed: {said}")


ROWS = {
    "tool_topics": topics,
    "tool_configs": configs,
    "tool_console_producer": console_producer,
    "tool_console_consumer": console_consumer,
    "tool_get_offsets": get_offsets,
    "tool_delete_records": delete_records,
    "tool_producer_perf": producer_perf,
    "tool_consumer_perf": consumer_perf,
}
