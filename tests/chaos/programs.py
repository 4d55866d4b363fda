"""The client programs of a run: built, started in the clients' namespace, told to stop, and looked after while they write journals.

The libraries and the builds are those of compat-tests: its families bring confluent-kafka and kafka-clients into the cache folder.
"""

import contextlib
import os
import subprocess
import time
from pathlib import Path

from harness import builds
from harness.families import Family, all_families
from journals import SUFFIX, Tail
from network import CLIENTS

HERE = Path(__file__).resolve().parent
LIBRARIES = {"rdkafka": "confluent-python", "java": "java"}
JAVA = Family(
    name="chaos-java", client="kafka-clients", folder=HERE / "java", needs=["java", "javac"], sources=["chaos/*.java"],
    build=["bash", "-c", "rm -rf '${OUT}/classes' && javac -d '${OUT}/classes' -cp '${CACHE}/java/libs/*' chaos/*.java"],
    run=["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", "${OUT}/classes:${CACHE}/java/libs/*", "chaos.Main"])


def install():
    """Brings the commands that make networks."""
    builds.PACKAGES.update(ip="iproute2", iptables="iptables")
    builds.install(["ip", "iptables"])


def build(clients, bateau, kafka):
    """Builds what the clients need, a Bateau and the jars of a real Kafka if they are wanted."""
    families = all_families()
    # Topics are made and leaders watched by librdkafka in every run.
    builds.prepare([families[LIBRARIES[client]] for client in sorted({"rdkafka", *clients})], bateau=bateau, kafka=kafka)
    if "java" in clients:
        builds.prepare([JAVA])


class Clients:
    """All programs of one run; `folder` gets the journals and what the programs print."""

    def __init__(self, net, folder, bootstrap, topics, replicas, rate):
        self.net, self.folder = net, Path(folder)
        self.journals = self.folder / "journals"
        self.journals.mkdir()
        self._environment = {
            **os.environ, "BOOTSTRAP": bootstrap, "TOPICS": topics, "REPLICAS": str(replicas), "RATE": str(rate),
            "JOURNALS": str(self.journals), "PYTHONDONTWRITEBYTECODE": "1"}
        self._processes = {}  # role name -> its process
        self._over = set()  # role names that should have ended
        self.fallen = []  # what ended although it should not have

    def start(self, client, *roles, bootstrap=None):
        """One program that plays `roles`, each `kind:name`."""
        library = all_families()["confluent-python"]
        librdkafka = [builds.out(library) / "venv" / "bin" / "python", HERE / "rdkafka" / "main.py"]
        program = builds.program(JAVA) if client == "java" else librdkafka
        environment = self._environment | ({"BOOTSTRAP": bootstrap} if bootstrap else {})
        names = [role.split(":")[1] for role in roles]
        with open(self.folder / f"{names[0]}.out", "w") as out:
            process = subprocess.Popen(
                self.net.command(CLIENTS, [*program, *roles]), stdin=subprocess.PIPE, stdout=out, stderr=out, env=environment, text=True,
                start_new_session=True)
        self._processes |= dict.fromkeys(names, process)

    def stop(self, *names):
        """Tells roles that it is enough; they then finish what they have begun."""
        for name in names:
            process = self._processes[name]
            try:
                process.stdin.write(f"stop {name}\n")
                process.stdin.flush()
            except OSError:
                self._check()

    def wait_for(self, names, kinds, seconds, what):
        """Waits until the journal of each of `names` has a line of one of `kinds`; returns the names that never got there."""
        tails, missing = {name: Tail(self.journals / f"{name}{SUFFIX}") for name in names}, []
        deadline = time.monotonic() + seconds
        while tails:
            fallen = {name for name in tails if self._processes[name].poll() is not None}
            for name in list(tails):
                if any(words[0] in kinds for words in tails[name].lines() if words):
                    del tails[name]
                elif name in fallen or time.monotonic() > deadline:
                    why = f"its program ended with {self._processes[name].returncode}" if name in fallen else f"not within {seconds} s"
                    self.fallen.append(f"{name}: {what}: {why}")
                    missing.append(name)
                    del tails[name]
            time.sleep(0.05)
        return missing

    def finish(self, names, seconds, what):
        """Stops roles and waits for the ends of their journals."""
        self.stop(*names)
        self._over |= set(names)
        return self.wait_for(names, {"END"}, seconds, what)

    def tail(self, name):
        """What comes into the journal of a role from now on."""
        tail = Tail(self.journals / f"{name}{SUFFIX}")
        tail.lines()
        return tail

    def out_tail(self, lines=15):
        """The last lines that programs printed, where they printed any."""
        texts = {path.name: path.read_text(errors="replace").splitlines()[-lines:] for path in sorted(self.folder.glob("*.out"))}
        return "\n".join(f"--- {name}\n" + "\n".join(text) for name, text in texts.items() if text)

    def _check(self):
        for name, process in self._processes.items():
            if process.poll() is not None and name not in self._over:
                self._over.add(name)
                self.fallen.append(f"{name}: its program ended with {process.returncode}")

    def discard(self):
        """Ends whatever still runs."""
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()
            with contextlib.suppress(OSError):
                process.stdin.close()  # what was still to be said to one that had ended
