"""The work of a run: who produces, reads, commits and watches, from the first record to the last read of everything."""

import time

from programs import Clients

TOPICS = "chaos-a:6,chaos-b:6"
BEGIN_SECONDS = 90
# From the end of all faults: for producers to get their last answers, and for readers to catch up.
FINISH_SECONDS = 150
WHOLE_SECONDS = 90


def all_partitions():
    """Every (topic, number) that is worked with."""
    named = [one.split(":") for one in TOPICS.split(",")]
    return [(topic, number) for topic, count in named for number in range(int(count))]


class LoadError(Exception):
    """The work could not begin."""


class Load:
    """Begin, let things go wrong, end."""

    def __init__(self, options, cluster, folder):
        self.cluster, self.kinds = cluster, options.clients
        replicas = min(3, options.nodes)
        self.replicas = replicas
        self.clients = Clients(cluster.net, folder, cluster.bootstrap, TOPICS, replicas, options.rate)
        self.producers, self.readers, self.members, self.watchers = [], [], [], []
        self.unwhole = []  # what was not whole again in time

    def begin(self):
        """Makes the topics and starts everybody; returns when each does its work."""
        self.clients.start("rdkafka", "make:make")
        if self.clients.wait_for(["make"], {"END"}, BEGIN_SECONDS, "the topics"):
            raise LoadError(f"the topics were not made: {self.clients.journals / 'make.journal'}")
        for client, roles in self._programs():
            self.clients.start(client, *roles)
            for kind, name in (role.split(":") for role in roles):
                {"produce": self.producers, "follow": self.readers, "member": self.members}.get(kind, self.watchers).append(name)
        self._wait_for_work(self.producers, {"A"}, "its first acknowledgement")
        self._wait_for_work(self.readers, {"R"}, "its first record")
        self._wait_for_work(self.members, {"C"}, "its first commit")
        self._wait_for_work(["watch"], {"O"}, "the first committed offset")
        self._wait_for_work(["watermarks"], {"W"}, "the first high watermark")

    def wait_whole(self, seconds=WHOLE_SECONDS):
        """Waits until every partition has a leader and all replicas in sync, as clients are told from now on; whether it is so."""
        tail, shown = self.clients.tail("watch"), {}
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for words in tail.lines():
                if words[0] == "L":
                    shown[words[2], words[3]] = int(words[4]) >= 0 and len(words[5].split(",")) == self.replicas and words[5] != "-"
            if len(shown) == len(all_partitions()) and all(shown.values()):
                return True
            self.cluster.look_after()
            time.sleep(0.05)
        behind = [f"{topic}-{number}" for (topic, number), whole in sorted(shown.items()) if not whole]
        self.unwhole.append(f"{len(behind) if shown else 'all'} partitions after {seconds} s: {' '.join(behind) or 'nobody answers'}")
        return False

    def wait_acknowledged(self, since, seconds=WHOLE_SECONDS):
        """Waits until something that was sent after `since` (monotonic ms) is acknowledged in every partition; whether it was so."""
        tails = [self.clients.tail(name) for name in self.producers]
        deadline, fresh = time.monotonic() + seconds, set()
        while time.monotonic() < deadline:
            fresh |= {(words[3], words[4]) for tail in tails for words in tail.lines() if words[0] == "A" and int(words[2]) >= since}
            if len(fresh) == len(all_partitions()):
                return True
            self.cluster.look_after()
            time.sleep(0.05)
        self.unwhole.append(f"{len(all_partitions()) - len(fresh)} partitions took no record within {seconds} s")
        return False

    def end(self):
        """Producers finish, readers come to the end, and fresh ones read everything, one by way of each node."""
        self.clients.finish(self.producers, FINISH_SECONDS, "its last answers")
        self.clients.finish(self.readers, FINISH_SECONDS, "the end of every partition")
        self.clients.finish([*self.members, *self.watchers], FINISH_SECONDS, "its end")
        finals = []
        for number, node in self.cluster.nodes.items():
            finals.append(f"final-n{number}")
            client = self.kinds[number % len(self.kinds)]
            self.clients.start(client, f"read:{finals[-1]}", bootstrap=f"{node.host}:{node.port}")
        self.clients.wait_for(finals, {"END"}, FINISH_SECONDS, "everything once more")

    def _programs(self):
        """(client, roles) of each program. The Java client's roles share one: three virtual machines would cost more than the nodes."""
        programs = []
        if "rdkafka" in self.kinds:
            programs += [
                ("rdkafka", ["produce:rdkafka-1"]), ("rdkafka", ["produce:rdkafka-2"]), ("rdkafka", ["follow:rdkafka-reader"]),
                ("rdkafka", ["member:rdkafka-member", *(["member:rdkafka-member-2"] if self.kinds == ["rdkafka"] else [])])]
        if "java" in self.kinds:
            alone = ["produce:java-2", "member:java-member-2"] if self.kinds == ["java"] else []
            programs += [("java", ["produce:java-1", "follow:java-reader", "member:java-member", "watermarks:watermarks", *alone])]
        watchers = ["watch:watch", *([] if "java" in self.kinds else ["watermarks:watermarks"])]
        return [*programs, ("rdkafka", watchers)]

    def _wait_for_work(self, names, kinds, what):
        missing = self.clients.wait_for(names, kinds, BEGIN_SECONDS, what)
        if missing:
            raise LoadError(f"before anything went wrong: {'; '.join(self.clients.fallen)}")
