"""What goes wrong and when: a plan that a seed decides, and each kind of fault done to nodes and undone again.

One fault at a time, each undone before the next: a majority of the nodes is always up and connected, though it may still be busy
with catching up.
"""

import dataclasses
import random

KINDS = ("kill", "stop", "cut", "one-way", "bridge", "restart")
NEED_NETWORK = {"cut", "one-way", "bridge"}
# How long a fault lasts, in seconds. Shorter than any client's patience for one request, so that what a client sent into a pause or
# a cut is not sent a second time by another connection before the first arrives.
LASTS = (0.2, 8.0)
# From its end to the next one's beginning, at least.
BETWEEN = 1.0


@dataclasses.dataclass(frozen=True)
class Fault:
    """`at` is seconds from the start of the load; `scope` chooses within a kind: whom a cut parts, which way it is one-way."""

    at: float
    kind: str
    victim: int
    lasts: float
    scope: str = ""

    def __str__(self):
        return f"{self.kind} node {self.victim}{' ' + self.scope if self.scope else ''} for {self.lasts:.1f} s"


SCOPES = {"cut": ("all", "peers"), "one-way": ("in", "out", "in-one", "out-one")}


def plan(seed, kinds, nodes, seconds, every):
    """The faults of a run of `seconds`; from one's beginning to the next it takes a random time in `every`, (least, most) seconds."""
    chance = random.Random(seed)
    faults, at, bag = [], chance.uniform(*every) / 2, []
    while True:
        gap = chance.uniform(*every)
        # Every kind comes before one comes again, so that a short run has them all.
        if not bag:
            bag = sorted(kinds)
            chance.shuffle(bag)
        kind = bag.pop()
        # Short faults are as likely as long ones, also among very short ones.
        longest = max(LASTS[0], min(LASTS[1], gap - BETWEEN))
        lasts = LASTS[0] * (longest / LASTS[0]) ** chance.random()
        fault = Fault(at, kind, chance.choice(nodes), lasts, chance.choice(SCOPES.get(kind, ("",))))
        if at + lasts > seconds:
            return faults
        faults.append(fault)
        at += gap


def begin(fault, nodes, net):
    """Does it; `nodes` by number."""
    victim = nodes[fault.victim]
    others = [number for number in sorted(nodes) if number != fault.victim]
    if fault.kind == "kill":
        victim.kill9()
    elif fault.kind == "stop":
        victim.pause()
    elif fault.kind == "restart":
        victim.stop()
    elif fault.kind == "cut":
        net.cut(fault.victim, clients=fault.scope == "all")
    elif fault.kind == "one-way":
        peers = others[:1] if fault.scope.endswith("-one") else others
        if fault.scope.startswith("in"):
            net.drop(peers, fault.victim)
        else:
            net.cut_one_way(fault.victim, peers)
    elif fault.kind == "bridge":
        # The victim is the bridge: it alone hears all.
        net.part(others[: len(others) // 2], others[len(others) // 2 :])
    else:
        raise ValueError(f"no fault is called {fault.kind}")


def end(fault, nodes, net):
    """Undoes it, without waiting for the node to be ready again."""
    if fault.kind in ("kill", "restart"):
        nodes[fault.victim].start()
    elif fault.kind == "stop":
        nodes[fault.victim].resume()
    else:
        net.heal()
