"""All nodes of a run together: started, looked after while they are hurt, made whole again, ended."""

import time

import kafka_nodes
from nodes import BateauNode, NodeError

# Groups in a test are not to wait three seconds for members.
SETTINGS = ["group.initial.rebalance.delay.ms=100"]
# A run with more complaints than this shows nothing more.
MOST_COMPLAINTS = 20


class Cluster:
    """`nodes` by number. What nodes do that they must not is gathered in `complaints`."""

    def __init__(self, options, net, folder):
        self.net = net
        self.complaints = []
        self.hurt = set()  # numbers of nodes that are down on purpose
        self.nodes = {}
        if options.broker == "kafka":
            self.nodes = {node.number: node for node in kafka_nodes.start(options.kafka_start, options.nodes, options.set, net, folder)}
        else:
            self.nodes = {number: BateauNode(number, net, folder, options.bin, SETTINGS + options.set) for number in net.nodes}

    def start(self):
        """Starts every node that does not run, and waits until all answer."""
        for node in self.nodes.values():
            if not node.running():
                node.start()
        for node in self.nodes.values():
            node.wait_ready()

    @property
    def bootstrap(self):
        """All addresses, as clients take them."""
        return ",".join(f"{node.host}:{node.port}" for node in self.nodes.values())

    def wait(self, until):
        """Waits until that time of the monotonic clock, in seconds, looking after the nodes."""
        while (left := until - time.monotonic()) > 0:
            self.look_after()
            time.sleep(min(left, 0.2))

    def look_after(self):
        """A node that ended by itself is a complaint, and is started again."""
        for number, node in self.nodes.items():
            if number not in self.hurt and not node.running():
                self.complain(f"{node} ended by itself")
                node.start()

    def complain(self, text):
        """Notes what a node did that it must not; NodeError if that was too much."""
        self.complaints.append(f"at {time.monotonic_ns() // 1_000_000} ms: {text}")
        if len(self.complaints) > MOST_COMPLAINTS:
            raise NodeError(f"more than {MOST_COMPLAINTS} complaints about nodes, the last: {text}")

    def carefully(self, act, *arguments):
        """Calls `act`; a NodeError is a complaint, and the run goes on."""
        try:
            act(*arguments)
        except NodeError as error:
            self.complain(str(error))

    def make_whole(self):
        """Undoes everything: all nodes run, hear each other and answer."""
        self.net.heal()
        for node in self.nodes.values():
            if node.running() and node.paused:
                self.carefully(node.resume)
            if not node.running():
                node.start()
        self.hurt.clear()
        for node in self.nodes.values():
            self.carefully(node.wait_ready)

    def stop(self):
        """SIGTERM to all, one after the other; each must end well, if it is made to end without the others."""
        for left, node in zip(range(len(self.nodes), 0, -1), self.nodes.values(), strict=True):
            if node.ends_without_majority or left > len(self.nodes) // 2 + 1:
                self.carefully(node.stop)

    def discard(self):
        """Ends whatever is left."""
        for node in self.nodes.values():
            node.discard()
