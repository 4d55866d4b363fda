"""What every row needs: one run of a Kafka command-line tool and its words judged, a topic with records, a live group member.

A tool's exit code alone says little, for some print a stack trace and end with 0: an answer with an error in it is a failure too.
"""

import contextlib
import json
import os
import re
import subprocess
import time
import zlib
from pathlib import Path

# The script of a Kafka distribution -> the class that it starts.
CLASSES = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
}
# Quick start matters more than peak speed: a run starts about seventy of them. Nothing is logged about an archive of classes
# that does not fit: it is only a matter of speed.
JVM = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xlog:disable"]
# Looked into for classes before the other jars, for most classes are in these.
FIRST_JARS = ("kafka-tools-[0-9]*.jar", "kafka-clients-*.jar", "kafka-server-common-*.jar")
TOOL_SECONDS = 60
SETTLE_SECONDS = 30
# What a failure looks like in words; `"error":null` of a JSON answer is none.
TROUBLE = re.compile(r"^\s*(?:ERROR|Error|WARN)\b|Exception|could not be|UNKNOWN", re.MULTILINE)


class Failed(Exception):
    """A row does not hold, and why."""


def check(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def same(expected, actual, what):
    check(expected == actual, f"{what}: expected {expected}, got {actual}")


def table(said, *columns):
    """The rows below every head line in `said` that has all of `columns`, each row a dict by head, each up to an empty line.

    Cells are separated by white space and have none inside, as the tools print them.
    """
    rows, head = [], None
    heads = 0
    for line in said.splitlines():
        cells = line.split()
        if set(columns) <= set(cells):
            head = cells
            heads += 1
        elif not cells:
            head = None
        elif head:
            rows.append(dict(zip(head, cells)))
    check(heads, f"no table with the columns {columns} in: {said}")
    return rows


class Tools:
    """The tools of one folder of jars, pointed at one broker."""

    def __init__(self, jars):
        jars = Path(jars)
        ordered = [jar for form in (*FIRST_JARS, "*.jar") for jar in sorted(jars.glob(form))]
        check(ordered, f"no jars in {jars}")
        self.classpath = ":".join(map(str, dict.fromkeys(ordered)))
        self.archive = []
        self.bootstrap = os.environ["BOOTSTRAP"]
        # Of the broker: node id -> "host:port". A topic has a replica on each.
        self.nodes = dict(enumerate(self.bootstrap.split(","), 1))
        self.scratch = Path(os.environ["SCRATCH"])
        self.run_id = os.environ.get("RUN_ID", "0")

    def name(self, row):
        """A name for a topic or group that no other row, family or run uses."""
        return f"kafka-tools-{row}-{self.run_id}"

    def command(self, tool, *arguments):
        """The command line of one tool; all but kafka-dump-log connect to the broker."""
        connect = [] if tool == "kafka-dump-log" else ["--bootstrap-server", self.bootstrap]
        if tool == "kafka-cluster":  # its sub-command comes first
            arguments, connect = [*arguments, *connect], []
        return [*JVM, *self.archive, "-cp", self.classpath, CLASSES[tool], *connect, *arguments]

    def share_classes(self, folder):
        """Lets the tools start from an archive of loaded classes in `folder`, made here if it is not there: a third less work each."""
        made = Path(folder) / f"tools-{zlib.crc32(self.classpath.encode()):08x}.jsa"
        if not made.exists():
            making = made.with_suffix(f".{os.getpid()}")
            making.parent.mkdir(parents=True, exist_ok=True)
            self.archive = [f"-XX:ArchiveClassesAtExit={making}"]
            self.attempt("kafka-consumer-groups", "--list")
            if making.exists():
                making.rename(made)
        self.archive = [f"-XX:SharedArchiveFile={made}"]

    def attempt(self, tool, *arguments, stdin=""):
        """Runs one tool to its end; its exit code and all that it said."""
        try:
            done = subprocess.run(
                self.command(tool, *arguments), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                timeout=TOOL_SECONDS, check=False)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{tool} {' '.join(arguments)}: no end after {TOOL_SECONDS} s, said {late.stdout}") from None
        said = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("SLF4J: "))
        return done.returncode, said

    def run(self, tool, *arguments, stdin=""):
        """Runs one tool, which must succeed in code and words; what it said."""
        code, said = self.attempt(tool, *arguments, stdin=stdin)
        check(code == 0 and not TROUBLE.search(said), f"{tool} {' '.join(arguments)}: exit code {code}, said: {said}")
        return said

    def refused(self, reason, tool, *arguments):
        """Runs one tool, which must say `reason`."""
        code, said = self.attempt(tool, *arguments)
        check(reason in said, f"{tool} {' '.join(arguments)}: not refused with {reason!r}, exit code {code}, said: {said}")

    def eventually(self, step):
        """Repeats `step` until it holds, because a change may be shown a little later; its answer."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                return step()
            except Failed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def partition(self, topic, partition=0):
        """What a broker says of one partition: its leader, replicas and those in sync."""
        metadata = json.loads(self.kcat("-L", "-J", "-t", topic))["topics"][0]["partitions"]
        found = next(one for one in metadata if one["partition"] == partition)
        return found["leader"], [one["id"] for one in found["replicas"]], [one["id"] for one in found["isrs"]]

    def topic(self, row, partitions=1):
        """Creates a topic for one row; its name."""
        name = self.name(row)
        self.run("kafka-topics", "--create", "--topic", name, "--partitions", str(partitions))
        return name

    def kcat(self, *arguments, stdin=""):
        """One call of kcat, which brings and reads records faster than a JVM starts."""
        done = subprocess.run(
            ["kcat", "-b", self.bootstrap, *arguments], input=stdin, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
        check(done.returncode == 0, f"kcat {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def produce(self, topic, partition, first, count):
        """Produces `count` numbers from `first` into one partition, all acknowledged."""
        numbers = "".join(f"{number}\n" for number in range(first, first + count))
        self.kcat("-P", "-t", topic, "-p", str(partition), stdin=numbers)

    def consume(self, topic, form, partition=0):
        """All records of one partition from its log start, each by kcat's format `form`."""
        return self.kcat("-C", "-q", "-e", "-t", topic, "-p", str(partition), "-o", "beginning", "-f", form)

    @contextlib.contextmanager
    def member(self, group, topic):
        """A live member of `group`, by kcat, for as long as the block lasts; then it commits and leaves."""
        path = self.scratch / f"{group}.member"
        with open(path, "w") as said:
            member = subprocess.Popen(
                ["kcat", "-b", self.bootstrap, "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000",
                 "-u", "-f", "%p %o\n", "-G", group, topic],
                stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT)
        try:
            # It says which partitions it got, so a read or an empty assignment both show it as joined.
            self.eventually(lambda: check("rebalanced" in path.read_text(), f"the member of {group} got no assignment"))
            yield path
        finally:
            member.terminate()
            try:
                member.wait(SETTLE_SECONDS)
            except subprocess.TimeoutExpired:
                member.kill()
                member.wait()
