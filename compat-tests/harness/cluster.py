"""The broker of a family: one node, or several that form a cluster, with the verbs of one. Node ids count from 1.

What a restart and a kill mean with several nodes: every node, one after the other, and the next only when all replicas keep up
again, so that whoever leads what a program works on is hit, and a majority lives.
"""

import base64
import json
import os
import subprocess
import threading
import time
from pathlib import Path

from harness.broker import HOST, Bateau, BrokerError, Kafka

# Longest time from when a node answers again until it has caught up with everything.
IN_SYNC_SECONDS = 60


class Cluster:
    """Nodes of one kind; verbs may be called from any thread."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.lock = threading.Lock()
        for node in nodes:
            node.nodes = nodes

    @property
    def address(self):
        """The addresses of all nodes, by node id, with commas between."""
        return ",".join(node.address for node in self.nodes)

    @property
    def grpc(self):
        """The addresses of all nodes' gRPC, as in `address`."""
        return ",".join(f"{HOST}:{node.peer_port}" for node in self.nodes)

    @property
    def data(self):
        """The folders of the partitions' folders, by node id, with colons between."""
        return ":".join(str(node.data) for node in self.nodes)

    def start(self):
        """Starts all nodes at once, and waits until each answers and knows the others."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.ready()

    def stop(self):
        """SIGTERM to each; the first that does not end cleanly is the error."""
        errors = []
        for node in self.nodes:
            try:
                node.stop()
            except BrokerError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def restart(self):
        """A clean stop and a start of each node."""
        self._one_by_one(lambda node: node.restart())

    def kill(self):
        """SIGKILL and a start of each node."""
        self._one_by_one(lambda node: node.kill())

    def running(self):
        """Whether all nodes run; waits for a stop or start that is going on."""
        with self.lock:
            return all(node.running() for node in self.nodes)

    def discard(self):
        """Ends whatever is left, without judging how."""
        for node in self.nodes:
            node.discard()

    def log_tail(self, lines=30):
        """The last lines that each node printed."""
        tails = [(f"{node}:\n" if len(self.nodes) > 1 else "") + node.log_tail(lines) for node in self.nodes]
        return "\n".join(tails)

    def _one_by_one(self, verb):
        with self.lock:
            for node in self.nodes:
                verb(node)
                self._wait_in_sync()

    def _wait_in_sync(self):
        """Waits until every node shows a leader and all replicas in sync for every partition."""
        if len(self.nodes) == 1:
            return
        deadline = time.monotonic() + IN_SYNC_SECONDS
        for node in self.nodes:
            while behind := _behind(node):
                if time.monotonic() > deadline:
                    raise BrokerError(f"not in sync within {IN_SYNC_SECONDS} s, says {node}: {behind}")
                time.sleep(0.1)


def _behind(node):
    """What `node` shows without a leader or with replicas out of sync; empty if there is nothing."""
    asked = subprocess.run(["kcat", "-b", node.address, "-L", "-J", "-m", "5"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        return "no metadata"
    behind = []
    for topic in json.loads(asked.stdout)["topics"]:
        for partition in topic["partitions"]:
            replicas, isr = ([one["id"] for one in partition[kind]] for kind in ("replicas", "isrs"))
            if partition["leader"] < 1 or sorted(replicas) != sorted(isr):
                name = f"{topic['topic']}-{partition['partition']}"
                behind.append(f"{name}: leader {partition['leader']}, replicas {replicas}, in sync {isr}")
    return "; ".join(behind[:5])


def bateau(directory, binary, count):
    """A cluster of `count` Bateaus in `directory`, not started."""
    return Cluster([Bateau(Path(directory) / f"node-{node}", binary, node) for node in range(1, count + 1)])


def kafka(directory, jars, count):
    """A cluster of `count` Kafkas in `directory`, formatted and not started."""
    cluster = Cluster([Kafka(Path(directory) / f"node-{node}", jars, node) for node in range(1, count + 1)])
    name = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")[1:]
    for node in cluster.nodes:
        node.format(name)
    return cluster
