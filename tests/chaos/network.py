"""A network of one run: a namespace for each node, one for the clients, and a bridge between them in a namespace of its own.

Nothing is added to the machine's own network, so no firewall of its own matters. Faults are packets dropped on arrival: silent, and
in one direction or both. A run owns its namespaces while it lives; those of a run that died are recognised by that and removed.
"""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

PREFIX = "bateau-chaos-"
SUBNET = "10.77.0"
CLIENTS = "clients"
SWITCH = "switch"
CLONE_NEWNET = 0x40000000
ANSWER_SECONDS = 2


class NetworkError(Exception):
    """A namespace could not be made or changed."""


def why_not():
    """Why this machine can have no network namespaces, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    probe = f"{PREFIX}{os.getpid()}-probe"
    try:
        with _own(str(os.getpid())):
            _run("ip", "netns", "add", probe)
            try:
                _run("ip", "-n", probe, "link", "add", "br0", "type", "bridge")
                _run("ip", "netns", "exec", probe, "iptables", "-w", "-A", "INPUT", "-s", f"{SUBNET}.1", "-j", "DROP")
            finally:
                _run("ip", "netns", "delete", probe)
    except (NetworkError, OSError) as error:
        return str(error)
    return None


class Network:
    """`nodes` is how many there are; node n has the address SUBNET.n. Use it as a context: at its end everything is gone."""

    def __init__(self, nodes):
        remove_dead_runs()
        self.run_id = str(os.getpid())
        # Held while this run lives; no other process can have the same name.
        self._owner = _own(self.run_id)
        self.nodes = list(range(1, nodes + 1))
        self._cut = set()

    def __enter__(self):
        try:
            self._space(SWITCH)
            self._ip(SWITCH, "link", "add", "br0", "type", "bridge")
            self._ip(SWITCH, "link", "set", "br0", "up")
            for node in self.nodes:
                self._connect(f"n{node}", self.address(node))
            self._connect(CLIENTS, f"{SUBNET}.250")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        _remove(self.run_id)
        self._owner.close()

    def address(self, node):
        """The IP address of a node."""
        return f"{SUBNET}.{node}"

    def command(self, where, command):
        """`command`, to be run in the namespace of a node (its number) or of the clients."""
        return ["ip", "netns", "exec", self._name(where), *map(str, command)]

    def inside(self, where, function, *arguments):
        """The result of `function`, called in that namespace: sockets that it opens are there."""
        outcome = []

        def call():
            # A network namespace belongs to a thread; this one ends with it.
            with open(f"/run/netns/{self._name(where)}") as space:
                if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                    outcome.append(NetworkError(f"no way into {self._name(where)}: {os.strerror(ctypes.get_errno())}"))
                    return
            try:
                outcome.append(function(*arguments))
            except Exception as error:  # noqa: BLE001: whatever it is belongs to the caller
                outcome.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def drop(self, sources, target):
        """What `sources` (nodes, or CLIENTS) send no longer reaches `target`."""
        for source in sources:
            address = f"{SUBNET}.250" if source == CLIENTS else self.address(source)
            self._iptables(target, "-A", "INPUT", "-s", address, "-j", "DROP")
        self._cut.add(target)

    def cut(self, node, clients=True):
        """Parts a node from all others, and from the clients too if they are to be parted."""
        others = [other for other in self.nodes if other != node]
        self.drop(others + ([CLIENTS] if clients else []), node)
        for other in others + ([CLIENTS] if clients else []):
            self.drop([node], other)

    def cut_one_way(self, source, targets):
        """What `source` sends no longer reaches `targets`; the other way is open."""
        for target in targets:
            self.drop([source], target)

    def part(self, left, right):
        """No node of `left` and no node of `right` hear each other; whoever is in neither hears all."""
        for node in left:
            self.drop(right, node)
        for node in right:
            self.drop(left, node)

    def heal(self):
        """Everybody hears everybody."""
        for where in sorted(self._cut, key=str):
            self._iptables(where, "-F", "INPUT")
        self._cut.clear()

    def _connect(self, space, address):
        self._space(space)
        self._ip(SWITCH, "link", "add", f"to-{space}", "type", "veth", "peer", "name", "eth0", "netns", self._name(space))
        self._ip(SWITCH, "link", "set", f"to-{space}", "master", "br0", "up")
        self._ip(space, "address", "add", f"{address}/24", "dev", "eth0")
        self._ip(space, "link", "set", "eth0", "up")

    def _space(self, space):
        _run("ip", "netns", "add", self._name(space))
        self._ip(space, "link", "set", "lo", "up")

    def _ip(self, space, *command):
        _run("ip", "-n", self._name(space), *command)

    def _iptables(self, where, *rule):
        _run(*self.command(where, ["iptables", "-w", *rule]))

    def _name(self, where):
        space = f"n{where}" if isinstance(where, int) else where
        return f"{PREFIX}{self.run_id}-{space}"


def answers(host, port, request, length):
    """The first `length` bytes of the answer to `request`, or None."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb").read(length)
        return answer if len(answer) == length else None
    return None


def remove_dead_runs():
    """Ends what runs that died have left: their processes and their namespaces. Returns their ids."""
    listed = _run("ip", "netns", "list").splitlines()
    found = {match[1] for line in listed if (match := re.match(re.escape(PREFIX) + r"(\d+)-", line))}
    dead = []
    for run_id in sorted(found):
        with contextlib.suppress(OSError):
            _own(run_id).close()
            _remove(run_id)
            dead.append(run_id)
    return dead


def _own(run_id):
    """A name that the kernel gives to one process at a time and takes back when it ends; OSError if a run of that id lives."""
    owner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        owner.bind(f"\0{PREFIX}{run_id}")
    except OSError:
        owner.close()
        raise
    return owner


def _remove(run_id):
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split(" ")[0]
        if name.startswith(f"{PREFIX}{run_id}-"):
            for pid in _run("ip", "netns", "pids", name).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _run("ip", "netns", "delete", name)


def _run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"`{' '.join(command)}`: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def own_namespaces(run_id):
    """The namespaces of a run that are there now."""
    return [path.name for path in Path("/run/netns").glob(f"{PREFIX}{run_id}-*")]
