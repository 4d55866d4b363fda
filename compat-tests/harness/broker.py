"""A broker under test, Bateau or a real Kafka: started, restarted and killed on one loopback port and one data directory.

Not a cluster: one node, plaintext, node id 1. `Control` lets a test program restart it in the middle of its work.
"""

import base64
import os
import random
import signal
import socket
import socketserver
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

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = self.directory / "broker.log"
        self.process = None
        self.lock = threading.Lock()

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    def command(self):
        """The command line of one start."""
        raise NotImplementedError

    def start(self):
        """Starts the process and waits until it answers."""
        with self.lock:
            self._start()

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
            raise BrokerError(f"{self.name} ended by itself with exit code {code}")

    def _start(self):
        with open(self.log, "ab") as log:
            # Its own session, so that an interrupt from the keyboard reaches only the harness, which then ends it.
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            self._still_running()
            if time.monotonic() > deadline:
                raise BrokerError(f"{self.name} was not ready within {READY_SECONDS} s")
            time.sleep(0.05)

    def _stop(self):
        self._still_running()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise BrokerError(f"{self.name} did not end within {STOP_SECONDS} s of SIGTERM") from None
        if code not in self.clean_exit_codes:
            raise BrokerError(f"{self.name} ended with exit code {code} after SIGTERM")

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
        return listed.returncode == 0 and " 1 brokers:" in listed.stdout


class Bateau(Broker):
    """The binary that this repository builds."""

    name = "bateau"

    def __init__(self, directory, binary):
        super().__init__(directory)
        self.binary = binary

    def command(self):
        data = self.directory / "data"
        flags = ["--data-dir", str(data), "--kafka-addr", self.address, "--node-id", "1", "--set", GROUP_DELAY]
        return [str(self.binary), "serve", *flags]


class Kafka(Broker):
    """A real Apache Kafka, broker and controller in one process, from a directory of jars."""

    name = "kafka"
    clean_exit_codes = (0, 143)  # a JVM that SIGTERM ended reports the signal, also after an orderly shutdown

    def __init__(self, directory, jars):
        super().__init__(directory)
        self.jars = jars
        self.properties = self.directory / "server.properties"
        controller = free_port()
        self.properties.write_text("\n".join([
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@{HOST}:{controller}",
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://{HOST}:{controller}",
            f"advertised.listeners=PLAINTEXT://{self.address}",
            "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={self.directory / 'data'}",
            "offsets.topic.replication.factor=1",
            GROUP_DELAY,
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            # A killed broker may register again only when its old session is over.
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            "",
        ]))
        self._format()

    def command(self):
        return self._java("kafka.Kafka", str(self.properties))

    def _java(self, *arguments):
        # Quick start matters more than peak speed: a run starts it about twenty times.
        flags = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *flags, "-cp", f"{self.jars}/*", *arguments]

    def _format(self):
        cluster = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")[1:]
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.properties))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BrokerError(f"kafka storage format failed: {done.stdout}{done.stderr}")


class Control(socketserver.ThreadingTCPServer):
    """The broker's remote control, for test programs in any language: one line in, one line out, over loopback TCP.

    `restart` and `kill` are answered with `ok` when the broker is ready again, otherwise with `error: reason`.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, broker):
        super().__init__((HOST, 0), _Command)
        self.verbs = {"restart": broker.restart, "kill": broker.kill}
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self):
        return f"{HOST}:{self.server_address[1]}"

    def close(self):
        self.shutdown()
        self.server_close()


class _Command(socketserver.StreamRequestHandler):
    def handle(self):
        verb = self.rfile.readline(64).decode(errors="replace").strip()
        try:
            if verb not in self.server.verbs:
                raise BrokerError(f"no verb {verb!r}")
            self.server.verbs[verb]()
            answer = "ok"
        except BrokerError as error:
            answer = f"error: {error}"
        self.wfile.write(f"{answer}\n".encode())


def control(address, verb):
    """Asks the `Control` at `address` for `verb`; returns when the broker is ready again."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{verb}\n".encode())
        answer = connection.makefile().readline().strip()
    if answer != "ok":
        raise BrokerError(f"{verb}: {answer}")
