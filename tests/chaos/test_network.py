"""Namespaces, cuts and what dead runs leave, tried for real; skipped where there are no namespaces."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

import network
from network import CLIENTS, Network

PORT = 9092
REASON = network.why_not()


def hears(net, source, target):
    """Whether a datagram from `source` reaches `target`: one direction alone."""
    ready, got = threading.Event(), []

    def listen():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
            inbox.bind(("0.0.0.0", PORT))
            inbox.settimeout(0.3)
            ready.set()
            with contextlib.suppress(TimeoutError):
                got.append(inbox.recv(16))

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outbox:
            outbox.sendto(b"hello", (net.address(target), PORT))

    listening = threading.Thread(target=net.inside, args=(target, listen))
    listening.start()
    ready.wait()
    net.inside(source, send)
    listening.join()
    return bool(got)


@unittest.skipIf(REASON, f"no network namespaces: {REASON}")
class NetworkTest(unittest.TestCase):
    def setUp(self):
        self.net = self.enterContext(Network(3))

    def all_heard(self):
        """Every (source, target) where the target hears the source."""
        everybody = [1, 2, 3]
        pairs = [(source, target) for source in [*everybody, CLIENTS] for target in everybody if source != target]
        return {pair for pair in pairs if hears(self.net, *pair)}

    def test_cuts_are_what_they_are_called_and_heal(self):
        whole = self.all_heard()
        self.assertEqual(len(whole), 9)

        self.net.cut(1)
        self.assertEqual(self.all_heard(), {(2, 3), (3, 2), (CLIENTS, 2), (CLIENTS, 3)})
        self.net.heal()

        self.net.cut(1, clients=False)
        self.assertEqual(self.all_heard(), {(2, 3), (3, 2), (CLIENTS, 1), (CLIENTS, 2), (CLIENTS, 3)})
        self.net.heal()

        self.net.cut_one_way(1, [2, 3])
        self.assertEqual(whole - self.all_heard(), {(1, 2), (1, 3)})
        self.net.heal()

        self.net.drop([2, 3], 1)
        self.assertEqual(whole - self.all_heard(), {(2, 1), (3, 1)})
        self.net.heal()

        self.net.part([2], [3])
        self.assertEqual(whole - self.all_heard(), {(2, 3), (3, 2)})
        self.net.heal()
        self.assertEqual(self.all_heard(), whole)

    def test_nothing_is_left_of_a_run(self):
        with subprocess.Popen(self.net.command(1, ["sleep", "600"])) as sleeping:
            self.net.__exit__()
            self.assertEqual(sleeping.wait(5), -signal.SIGKILL)
        self.assertEqual(network.own_namespaces(self.net.run_id), [])

    def test_a_living_run_is_not_taken_for_a_dead_one(self):
        self.assertEqual(network.remove_dead_runs(), [])
        self.assertEqual(len(network.own_namespaces(self.net.run_id)), 5)

    def test_what_a_killed_run_left_is_removed(self):
        program = "import network, time; network.Network(3).__enter__(); print('up', flush=True); time.sleep(600)"
        with subprocess.Popen(
                [sys.executable, "-B", "-c", program], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as other:
            self.assertEqual(other.stdout.readline(), "up\n")
            other.kill()
            other.wait()
            self.assertEqual(len(network.own_namespaces(other.pid)), 5)
            self.assertEqual(network.remove_dead_runs(), [str(other.pid)])
            self.assertEqual(network.own_namespaces(other.pid), [])


if __name__ == "__main__":
    unittest.main()
