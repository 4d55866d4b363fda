"""What the clients wrote down while they worked, one file a role, and how it is fed to the checker.

A journal is written line by line as things happen, so that it outlives everybody. Times are whole milliseconds of the machine's
monotonic clock, which all processes share. The first word says what happened; README.md has the table.
"""

import dataclasses
from collections import defaultdict

from checker import Checker

SUFFIX = ".journal"
# The observer of watermarks and commits asks one question after the other, so its answers are in order by themselves.
GROUP = "chaos"


@dataclasses.dataclass
class Acknowledgement:
    """One record's way to its acknowledgement, in milliseconds."""

    sent: int
    acknowledged: int


class Journals:
    """Everything in one folder of journals; reading happens at once."""

    def __init__(self, folder):
        self.checker = Checker()
        self.acknowledgements = defaultdict(list)  # partition -> Acknowledgement, by time of the acknowledgement
        self.leaders = defaultdict(list)  # partition -> (time, leader or -1), by time
        self.failed = []  # (time, producer, partition, code): produces that were given up
        self.faults_of_clients = []  # (role name, text) that no client may ever see
        self.notes = defaultdict(int)  # text of a harmless error -> how often
        self.versions = {}  # role name -> client and version
        self.unended = []  # role names without an end
        self.counts = defaultdict(int)  # (role name, kind of line) -> how many
        for path in sorted(folder.glob("*" + SUFFIX)):
            self._read(path)
        for waited in self.acknowledgements.values():
            waited.sort(key=lambda one: one.acknowledged)
        for known in self.leaders.values():
            known.sort()

    def leader_at(self, partition, time):
        """Who led `partition` at `time`, as last heard before it; -1 if nobody knew."""
        leader = -1
        for heard, who in self.leaders.get(partition, ()):
            if heard > time:
                break
            leader = who if who >= 0 else leader
        return leader

    def _read(self, path):
        name = path.name.removesuffix(SUFFIX)
        steady, whole, role, ended = True, False, "", False
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # cut off in the middle of a write
                words = line.split()
                kind, words = words[0], words[1:]
                self.counts[name, kind] += 1
                if kind == "I":
                    role = words[0]
                    self.versions[name] = " ".join(words[1:])
                    steady, whole = role != "member", role == "read"
                elif kind == "END":
                    ended = True
                elif kind == "R":
                    _, topic, number, offset, producer, sequence = words
                    self.checker.read(name, (topic, int(number)), int(offset), producer, int(sequence), steady)
                elif kind == "X":
                    self.checker.read_damaged(name, (words[1], int(words[2])), int(words[3]), " ".join(words[4:]), steady)
                elif kind in READERS:
                    READERS[kind](self, name, words)
        if role == "produce" and not ended:
            self.checker.unfinished(name)
        if whole and ended:
            self.checker.whole(name)
        if role and not ended:
            self.unended.append(name)

    def _acknowledged(self, name, words):
        acknowledged, sent, topic, number, sequence, offset = words
        partition = (topic, int(number))
        self.checker.acknowledged(name, partition, int(sequence), None if offset == "None" else int(offset))
        self.acknowledgements[partition].append(Acknowledgement(int(sent), int(acknowledged)))

    def _failed(self, name, words):
        time, _, topic, number, sequence, code = words
        self.checker.unknown(name, (topic, int(number)), int(sequence))
        self.failed.append((int(time), name, (topic, int(number)), code))

    def _leader(self, _, words):
        time, topic, number, leader, _ = words
        self.leaders[topic, int(number)].append((int(time), int(leader)))

    def _watermark(self, name, words):
        self.checker.watermark(name, (words[2], int(words[3])), int(words[4]))

    def _commit(self, _, words):
        self.checker.commit(GROUP, (words[2], int(words[3])), int(words[1]), int(words[4]))

    def _committed(self, name, words):
        self.checker.committed(name, GROUP, (words[2], int(words[3])), int(words[0]), int(words[4]))

    def _error(self, name, words):
        text = " ".join(words[2:])
        if words[1] == "fatal":
            self.faults_of_clients.append((name, text))
        else:
            self.notes[text] += 1


READERS = {
    "A": Journals._acknowledged,
    "F": Journals._failed,
    "L": Journals._leader,
    "W": Journals._watermark,
    "C": Journals._commit,
    "O": Journals._committed,
    "E": Journals._error,
}


class Tail:
    """Reads on in a journal that is being written; whole lines only."""

    def __init__(self, path):
        self.path = path
        self.position = 0

    def lines(self):
        """The lines that came since the last call, split into words."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as file:
            file.seek(self.position)
            whole, newline, _ = file.read().rpartition(b"\n")
        self.position += len(whole) + len(newline)
        return [line.decode(errors="replace").split() for line in whole.splitlines()]
