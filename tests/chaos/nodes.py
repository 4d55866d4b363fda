"""A node under test: one broker process that is started, stopped, killed, paused and cut off. Here: what all have, and Bateau's."""

import os
import select
import signal
import struct
import subprocess
import time
from pathlib import Path

import network
from network import CLIENTS

READY_SECONDS = 60
STOP_SECONDS = 30
KAFKA_PORT, GOSSIP_PORT, RPC_PORT = 9092, 8401, 8400
# ApiVersions v0, correlation id 1, client id "chaos"; the first ten bytes of the answer end with its error code.
API_VERSIONS = struct.pack(">ihhih", 15, 18, 0, 1, 5) + b"chaos"


class NodeError(Exception):
    """A node did not start, end or answer as it should."""


class Node:
    """One process at a time with one address and one data directory. `number` counts from 1 and is the broker id."""

    clean_exit_codes = (0,)
    # Whether SIGTERM ends it in time also when too few others are left to agree on anything.
    ends_without_majority = True

    def __init__(self, number, net, folder, host, port):
        self.number, self.net, self.host, self.port = number, net, host, port
        self.log = Path(folder) / f"node-{number}.log"
        self.pid = None
        self.paused = False
        self._handle = None  # of the process, readable once it has ended
        self._process = None

    def __str__(self):
        return f"node {self.number}"

    def command(self):
        """The command line of one start, in the namespace that it belongs into."""
        raise NotImplementedError

    def start(self):
        """Starts the process; `wait_ready` says when it answers."""
        with open(self.log, "ab") as log:
            log.write(f"--- start at {time.monotonic_ns() // 1_000_000} ms\n".encode())
            log.flush()
            # Its own session, so that an interrupt from the keyboard reaches only the harness, which then ends it.
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._take(self._process.pid)

    def wait_ready(self, seconds=READY_SECONDS):
        """Waits until it answers Kafka clients."""
        deadline = time.monotonic() + seconds
        while not self.answers():
            if not self.running():
                raise NodeError(f"{self} ended while starting")
            if time.monotonic() > deadline:
                raise NodeError(f"{self} was not ready within {seconds} s")
            time.sleep(0.1)

    def answers(self):
        """Whether it answers a client now."""
        answer = self.net.inside(CLIENTS, network.answers, self.host, self.port, API_VERSIONS, 10)
        return answer is not None and answer[8:] == b"\0\0"

    def running(self):
        """Whether the process lives; a paused one does."""
        return self._handle is not None and not select.select([self._handle], [], [], 0)[0]

    def stop(self):
        """SIGTERM; an error unless it ends by itself in time, with a clean exit code."""
        self._signal(signal.SIGTERM)
        if not self._ended(STOP_SECONDS):
            self.kill9()
            raise NodeError(f"{self} did not end within {STOP_SECONDS} s of SIGTERM")
        code = self._process.wait() if self._process else None
        self._forget()
        if code is not None and code not in self.clean_exit_codes:
            raise NodeError(f"{self} ended with exit code {code} after SIGTERM")

    def kill9(self):
        """SIGKILL in the middle of whatever it does."""
        self._signal(signal.SIGKILL)
        if not self._ended(STOP_SECONDS):
            raise NodeError(f"{self} outlives SIGKILL")
        if self._process:
            self._process.wait()
        self._forget()

    def pause(self):
        """SIGSTOP: it is there and does nothing."""
        self._signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.paused = False

    def discard(self):
        """Ends whatever is left, without judging how."""
        if self.running():
            self.kill9()

    def log_tail(self, lines=40):
        """The last lines that it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def _take(self, pid):
        self.pid, self._handle = pid, os.pidfd_open(pid)

    def _forget(self):
        os.close(self._handle)
        self.pid = self._handle = self._process = None
        self.paused = False

    def _signal(self, which):
        if not self.running():
            raise NodeError(f"{self} ended by itself")
        signal.pidfd_send_signal(self._handle, which)

    def _ended(self, seconds):
        return bool(select.select([self._handle], [], [], seconds)[0])


class BateauNode(Node):
    """The binary that this repository builds, in a namespace of its own."""

    def __init__(self, number, net, folder, binary, settings=()):
        super().__init__(number, net, folder, net.address(number), KAFKA_PORT)
        self.binary, self.settings = binary, settings
        self.data = Path(folder) / f"node-{number}"

    def command(self):
        joins = ",".join(f"{self.net.address(node)}:{GOSSIP_PORT}" for node in self.net.nodes)
        flags = [
            "--node-id", self.number, "--data-dir", self.data, "--kafka-addr", f"{self.host}:{KAFKA_PORT}",
            "--bind-addr", f"{self.host}:{GOSSIP_PORT}", "--rpc-port", RPC_PORT, "--start-join-addrs", joins]
        flags += ["--bootstrap"] if self.number == 1 else []
        flags += [word for setting in self.settings for word in ("--set", setting)]
        return self.net.command(self.number, [self.binary, "serve", *flags])
