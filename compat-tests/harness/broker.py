"""A node under test, Bateau or a real Kafka: started, restarted and killed on one loopback port and one data directory.

Plaintext. Not here: several nodes as one broker (`cluster.py`), and how a test program has it restarted (`control.py`).
"""

import random
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path


HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections (from 32768 on Linux): while the broker is down, a retrying client
# could otherwise be given the broker's port as its own and talk to itself.
PORTS = range(20000, 32000)
READY_SECONDS = 120
STOP_SECONDS = 60
API_VERSIONS_KEY = 18
# A group's first rebalance waits this long for more members, here and in a real Kafka: long enough to be exercised, short enough
# for the dozens of groups of a run.
GROUP_DELAY = "group.initial.rebalance.delay.ms=100"
# Ports that this process gave out: a broker that is down for a moment still owns its own.
_given = set()


class BrokerError(Exception):
    """The broker did not start, end or answer as it should."""


def free_port():
    """A loopback port that nobody listens on now."""
    for _ in range(200):
        port = random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise BrokerError(f"no free port in {PORTS}")


class Broker:
    """One process at a time on one port and one directory; verbs may be called from any thread."""

    name = "broker"
    clean_exit_codes = (0,)

    def __init__(self, directory, node=1):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.node = node
        # All nodes of its cluster, itself among them; whoever makes several sets it before the first start.
        self.nodes = [self]
        self.port = free_port()
        # Where the other nodes find it, and Bateau's gRPC clients.
        self.peer_port = free_port()
        self.log = self.directory / "broker.log"
        self.process = None
        self.lock = threading.Lock()

    def __str__(self):
        return self.name if len(self.nodes) == 1 else f"{self.name} node {self.node}"

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    @property
    def data(self):
        """The folder of the partitions' folders."""
        return self.directory / "data"

    def command(self):
        """The command line of one start."""
        raise NotImplementedError

    def launch(self):
        """Starts the process, and does not wait until it answers."""
        with self.lock:
            self._launch()

    def start(self):
        """Starts the process and waits until it answers."""
        with self.lock:
            self._start()

    def ready(self):
        """Waits until it answers."""
        with self.lock:
            self._ready()

    def stop(self):
        """SIGTERM; an error unless it ends by itself in time with a clean exit code."""
        with self.lock:
            self._stop()

    def restart(self):
        """A clean stop, then a start on the same data.

        If the stop was not clean it is started all the same, so that one fault does not fail everything after it.
        """
        with self.lock:
            try:
                self._stop()
            finally:
                self._start()

    def kill(self):
        """SIGKILL in the middle of whatever it does, then a start on the same data."""
        with self.lock:
            self._still_running()
            self.process.kill()
            self.process.wait()
            self._start()

    def running(self):
        """Whether the process runs; waits for a stop or start that is going on."""
        with self.lock:
            return self.process is not None and self.process.poll() is None

    def discard(self):
        """Ends whatever is left, without judging how."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log_tail(self, lines=30):
        """The last lines that the broker printed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _still_running(self):
        code = self.process.poll() if self.process else None
        if self.process is None or code is not None:
            raise BrokerError(f"{self} ended by itself with exit code {code}")

    def _start(self):
        self._launch()
        self._ready()

    def _launch(self):
        with open(self.log, "ab") as log:
            # Its own session, so that an interrupt from the keyboard reaches only the harness, which then ends it.
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def _ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            self._still_running()
            if time.monotonic() > deadline:
                raise BrokerError(f"{self} was not ready within {READY_SECONDS} s")
            time.sleep(0.05)

    def _stop(self):
        self._still_running()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise BrokerError(f"{self} did not end within {STOP_SECONDS} s of SIGTERM") from None
        if code not in self.clean_exit_codes:
            raise BrokerError(f"{self} ended with exit code {code} after SIGTERM")

    def _answers(self):
        """One ApiVersions v0 exchange, then metadata by a real client."""
        client = b"compat"
        body = struct.pack(">hhih", API_VERSIONS_KEY, 0, 1, len(client)) + client
        try:
            with socket.create_connection((HOST, self.port), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(body)) + body)
                answer = connection.makefile("rb").read(10)
        except OSError:
            return False
        if len(answer) < 10 or struct.unpack(">h", answer[8:10])[0] != 0:
            return False
        listed = subprocess.run(["kcat", "-b", self.address, "-L", "-m", "5"], capture_output=True, text=True, check=False)
        return listed.returncode == 0 and f" {len(self.nodes)} brokers:" in listed.stdout


class Bateau(Broker):
    """The binary that this repository builds."""

    name = "bateau"

    def __init__(self, directory, binary, node=1):
        super().__init__(directory, node)
        self.binary = binary
        self.gossip_port = free_port()

    def command(self):
        flags = ["--data-dir", str(self.data), "--kafka-addr", self.address, "--node-id", str(self.node), "--set", GROUP_DELAY]
        flags += ["--bind-addr", f"{HOST}:{self.gossip_port}", "--rpc-port", str(self.peer_port)]
        if len(self.nodes) > 1:
            others = ",".join(f"{HOST}:{node.gossip_port}" for node in self.nodes)
            flags += ["--node-name", f"node-{self.node}", "--start-join-addrs", others, *(["--bootstrap"] if self.node == 1 else [])]
        return [str(self.binary), "serve", *flags]


class Kafka(Broker):
    """A real Apache Kafka, broker and controller in one process, from a directory of jars."""

    name = "kafka"
    clean_exit_codes = (0, 143)  # a JVM that SIGTERM ended reports the signal, also after an orderly shutdown

    def __init__(self, directory, jars, node=1):
        super().__init__(directory, node)
        self.jars = jars
        self.properties = self.directory / "server.properties"

    def format(self, cluster):
        """Writes its properties, and its data directory as one of `cluster`; once, before the first start."""
        count = len(self.nodes)
        self.properties.write_text("\n".join([
            "process.roles=broker,controller",
            f"node.id={self.node}",
            f"controller.quorum.voters={','.join(f'{node.node}@{HOST}:{node.peer_port}' for node in self.nodes)}",
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://{HOST}:{self.peer_port}",
            f"advertised.listeners=PLAINTEXT://{self.address}",
            "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={self.data}",
            f"default.replication.factor={count}",
            f"offsets.topic.replication.factor={count}",
            GROUP_DELAY,
            f"transaction.state.log.replication.factor={count}",
            "transaction.state.log.min.isr=1",
            f"share.coordinator.state.topic.replication.factor={count}",
            "share.coordinator.state.topic.min.isr=1",
            # A killed broker may register again only when its old session is over.
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            "",
        ]))
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.properties))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerError(f"kafka storage format failed: {done.stdout}{done.stderr}")

    def command(self):
        return self._java("kafka.Kafka", str(self.properties))

    def _java(self, *arguments):
        # Quick start matters more than peak speed: a run starts it about twenty times.
        flags = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *flags, "-cp", f"{self.jars}/*", *arguments]
