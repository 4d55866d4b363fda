"""What goes wrong in a run, and what is measured of it: each scenario hurts a cluster under load and notes when it did what."""

import dataclasses
import random
import time

import faults


def now():
    """Milliseconds of the machine's monotonic clock, as journals have them."""
    return time.monotonic_ns() // 1_000_000


@dataclasses.dataclass
class Event:
    """A fault that was done: `began` and `done` in milliseconds, `until` when the next began or the load ended."""

    kind: str
    victim: int
    text: str
    began: int
    done: int = 0
    until: int = 0


class EventLog:
    """The events of a run, in order; written down as they happen."""

    def __init__(self, path):
        self.events = []
        self._file = open(path, "w", buffering=1)  # noqa: SIM115: it lives as long as the run

    def begin(self, kind, victim, text):
        """From here on the fault is there."""
        if self.events:
            self.events[-1].until = now()
        self.events.append(Event(kind, victim, text, now()))
        self._file.write(f"begin {self.events[-1].began} {text}\n")
        print(f"  {text}", flush=True)

    def done(self):
        """From here on the fault is undone."""
        self.events[-1].done = self.events[-1].until = now()
        self._file.write(f"done {self.events[-1].done}\n")

    def close(self):
        """The load is over; a second time it does nothing."""
        if self.events and not self._file.closed:
            self.events[-1].until = now()
        self._file.close()


def chaos(options, cluster, load, log):
    """Random faults, as the seed has them, for so many minutes."""
    start = time.monotonic()
    for fault in faults.plan(options.seed, options.faults, sorted(cluster.nodes), options.minutes * 60, options.every):
        cluster.wait(start + fault.at)
        node = cluster.nodes[fault.victim]
        log.begin(fault.kind, fault.victim, str(fault))
        cluster.hurt.add(fault.victim)
        cluster.carefully(faults.begin, fault, cluster.nodes, cluster.net)
        cluster.wait(time.monotonic() + fault.lasts)
        if not node.running() and fault.kind not in ("kill", "restart"):
            cluster.complain(f"{node} ended by itself during: {fault}")
            cluster.net.heal()
            node.start()
        else:
            cluster.carefully(faults.end, fault, cluster.nodes, cluster.net)
        cluster.hurt.discard(fault.victim)
        log.done()
    cluster.wait(start + options.minutes * 60)


def rolling(options, cluster, load, log):
    """SIGTERM and a start for one node after the other, each once the one before is back in every partition's in-sync replicas."""
    deadline = time.monotonic() + options.minutes * 60
    while True:
        for number, node in cluster.nodes.items():
            load.wait_whole()
            log.begin("rolling", number, f"restart {node}")
            cluster.hurt.add(number)
            cluster.carefully(node.stop)
            node.start()
            cluster.carefully(node.wait_ready)
            cluster.hurt.discard(number)
            load.wait_whole()
            log.done()
        if time.monotonic() > deadline:
            return


def follower_paused(options, cluster, load, log):
    """SIGSTOP for one node after the other, with as long a quiet time before each."""
    # Shorter than a member's patience for its commit, as in `faults.LASTS`.
    seconds = min(8.0, max(3.0, options.minutes * 60 / len(cluster.nodes) / 2))
    for number, node in cluster.nodes.items():
        load.wait_whole()
        cluster.wait(time.monotonic() + seconds)
        log.begin("pause", number, f"pause {node} for {seconds:.1f} s")
        cluster.carefully(node.pause)
        cluster.wait(time.monotonic() + seconds)
        cluster.carefully(node.resume)
        log.done()


def power_cut(options, cluster, load, log):
    """kill -9 for all at once, and starts in random order, again and again."""
    chance = random.Random(options.seed)
    deadline = time.monotonic() + options.minutes * 60
    while time.monotonic() < deadline:
        cluster.wait(time.monotonic() + chance.uniform(*options.every))
        order = sorted(cluster.nodes)
        chance.shuffle(order)
        log.begin("power-cut", 0, f"kill all, start {' '.join(map(str, order))}")
        cluster.hurt |= set(order)
        for number in order:
            cluster.carefully(cluster.nodes[number].kill9)
        chance.shuffle(order)
        for number in order:
            cluster.wait(time.monotonic() + chance.uniform(0, 2))
            cluster.nodes[number].start()
        cluster.hurt.clear()
        started = now()
        load.wait_acknowledged(started)
        log.done()


SCENARIOS = {"chaos": chaos, "rolling": rolling, "follower-paused": follower_paused, "power-cut": power_cut}
# How long each goes on unless told otherwise, in minutes; a round is always whole.
MINUTES = {"chaos": 3.0, "rolling": 0.5, "follower-paused": 0.8, "power-cut": 1.0}
