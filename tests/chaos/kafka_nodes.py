"""Three nodes of a real Kafka, by somebody's start script: they prove the checker, and are what the figures are compared with.

The script prints `ready BOOTSTRAP PIDS` when its nodes are up. All are on the loopback of one namespace, so they can be killed,
paused and restarted, but not cut off from each other.
"""

import re
import subprocess
import time
from pathlib import Path

from harness import builds
from network import CLIENTS
from nodes import Node, NodeError

START_SECONDS = 120
HEAP = "400m"


class KafkaNode(Node):
    """One process that the script started first and that is started again with the same command line."""

    clean_exit_codes = (0, 143)  # a JVM that SIGTERM ended reports the signal, also after an orderly shutdown
    ends_without_majority = False

    def __init__(self, number, net, folder, address, pid):
        host, port = address.split(":")
        super().__init__(number, net, folder, host, int(port))
        self._take(pid)
        self._words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]

    def command(self):
        return self.net.command(CLIENTS, self._words)


def start(script, count, settings, net, folder):
    """Runs the script for `count` nodes with `settings` (KEY=VALUE) in `folder`; returns the nodes, which are up."""
    home = Path(folder) / "kafka"
    home.mkdir()
    # Where the script would bring its jars to; the same release, brought before.
    (home / "libs").symlink_to(builds.KAFKA_JARS)
    command = [script.resolve(), home, "--nodes", count, "--heap", HEAP, *(word for setting in settings for word in ("--set", setting))]
    with open(home / "start.log", "w") as log:
        started = subprocess.Popen(
            net.command(CLIENTS, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        bootstrap, pids = _ready(started, home / "start.log")
    finally:
        # The script would end its nodes by numbers that may be somebody else's by then; this one's nodes go by handles.
        started.kill()
        started.wait()
    return [
        KafkaNode(number, net, folder, address, int(pid))
        for number, (address, pid) in enumerate(zip(bootstrap.split(","), pids.split(), strict=True), 1)]


def _ready(started, log):
    deadline = time.monotonic() + START_SECONDS
    while True:
        said = log.read_text()
        ready = re.search(r"^ready (\S+) (.+)\n", said, re.MULTILINE)
        if ready:
            return ready.groups()
        if started.poll() is not None or time.monotonic() > deadline:
            raise NodeError(f"the reference broker did not start: {said.strip()[-500:]}")
        time.sleep(0.2)
