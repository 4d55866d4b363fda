"""Real lines and their way into a topic: the input file, one kcat that produces it, and the kills of the broker on the way."""

import hashlib
import itertools
import queue
import shutil
import subprocess
import threading
from pathlib import Path

from harness import broker, builds
from harness.control import control

KEYS = 1000
# Bounds the whole production, outages included.
PRODUCE_SECONDS = 3600
BLOCK = 1 << 16


def texts():
    """Real lines, without end: the package index of this machine, over and over."""
    found = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout if shutil.which("apt-cache") else b""
    if found.count(b"\n") < KEYS:
        licences = Path("/usr/share/common-licenses")
        found = b"\n".join(path.read_bytes() for path in sorted([*licences.glob("*"), Path("/usr/share/dict/words")]) if path.is_file())
    lines = [line.replace(b"\t", b" ").strip(b"\r\0") for line in found.split(b"\n") if line.strip()]
    if len(lines) < KEYS:
        raise builds.BuildError("no real text found: neither a package index nor a word list")
    return itertools.cycle(lines)


class Input:
    """The file of lines, with what every key's lines must come out as and where in the file the kills belong."""

    def __init__(self, path, count, kills):
        self.path = path
        self.kill_positions = []
        sums = [hashlib.sha256() for _ in range(KEYS)]
        counts = [0] * KEYS
        names = [b"key-%d" % key for key in range(KEYS)]
        kill_lines = {count * (kill + 1) // (kills + 1) for kill in range(kills)}
        position = 0
        with open(path, "wb", buffering=1 << 20) as file:
            for number, text in zip(range(count), texts()):
                key = number % KEYS
                name, value = names[key], b"%d %s" % (number, text)
                file.write(name + b"\t" + value + b"\n")
                sums[key].update(len(name).to_bytes(4, "big") + name + len(value).to_bytes(4, "big") + value)
                counts[key] += 1
                position += len(name) + len(value) + 2
                if number + 1 in kill_lines:
                    self.kill_positions.append(position)
        self.bytes = position
        self.keys = {names[key].decode(): (counts[key], sums[key].hexdigest()) for key in range(KEYS)}


class Killer(threading.Thread):
    """Kills the broker once for every `now`, one after the other, apart from the thread that feeds the producer."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address = address
        self.asked = queue.SimpleQueue()
        self.error = None
        self.done = 0
        self.start()

    def now(self):
        self.asked.put(True)

    def finish(self):
        """Waits for the kills that were asked for; raises the first error of one."""
        self.asked.put(False)
        self.join()
        if self.error:
            raise self.error

    def run(self):
        while self.asked.get():
            try:
                control(self.address, "kill")
                self.done += 1
            except (broker.BrokerError, OSError) as error:
                self.error = self.error or broker.BrokerError(f"kill {self.done + 1}: {error}")


class Producer:
    """One idempotent kcat that is fed `key<TAB>value` lines; it ends without an error only if every line was acknowledged."""

    def __init__(self, bootstrap, topic, log, in_flight=100_000):
        self.log = log
        command = [
            "kcat", "-E", "-b", bootstrap, "-P", "-t", topic, "-K", "\t", "-X", "enable.idempotence=true", "-X", "acks=all",
            "-X", "linger.ms=20", "-X", f"queue.buffering.max.messages={in_flight}", "-X", "message.timeout.ms=1800000",
            "-X", "retry.backoff.ms=50", "-X", "reconnect.backoff.max.ms=1000"]
        with open(log, "wb") as said:
            self.kcat = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        self.timer = threading.Timer(PRODUCE_SECONDS, self.kcat.kill)
        self.timer.start()

    def feed(self, block):
        """Blocks while kcat has as much in flight as it may; False if it has ended early, of which `finish` tells the reason."""
        try:
            self.kcat.stdin.write(block)
            self.kcat.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def finish(self):
        """Ends the input; raises unless all that was fed was acknowledged."""
        try:
            self.kcat.stdin.close()
        except BrokenPipeError:
            pass
        code = self.kcat.wait()
        self.timer.cancel()
        if code != 0:
            tail = self.log.read_text(errors="replace").splitlines()[-5:]
            raise broker.BrokerError(f"kcat ended with {code}: {' | '.join(tail)}")


def produce(bootstrap, control, topic, lines, in_flight, log):
    """Feeds the file to one kcat, killing on the way; an error unless every line was acknowledged."""
    killer = Killer(control)
    producer = Producer(bootstrap, topic, log, in_flight)
    kills = list(lines.kill_positions)
    position = 0
    try:
        with open(lines.path, "rb") as file:
            while (block := file.read(BLOCK)) and producer.feed(block):
                position += len(block)
                while kills and position >= kills[0]:
                    kills.pop(0)
                    killer.now()
    finally:
        try:
            producer.finish()
        finally:
            killer.finish()
