"""What clients saw, judged: was anything acknowledged lost, doubled, moved, or shown differently to two readers?

Pure: it reads no file, clock or socket; `journals.py` feeds it. Times are milliseconds of one clock that all clients share.

A record is named by its producer and its sequence number, which counts from 0 in each partition for each producer. The checker
keeps what is at each offset, and where each record was acknowledged; every reader is compared with that as it is fed, so that a
run of an hour fits into memory.
"""

import dataclasses
from array import array
from collections import defaultdict

# What is at an offset that nobody has read yet, and what at one whose record was damaged.
UNREAD, DAMAGED = -1, -2
# What became of a record: never sent, sent with no word about its end, acknowledged without saying where (a client that
# sends again what it knows to be there may not know the offset); otherwise the offset of its acknowledgement.
UNSENT, UNKNOWN, SOMEWHERE = -1, -2, -3
SEQUENCE_BITS = 40
# Violations of one kind that are kept as text; all are counted.
MOST_TOLD = 1000

# Everything that can be wrong, in the order of the table.
KINDS = {
    "lost": "an acknowledged record is not in the log",
    "duplicate": "a record is in the log more than once",
    "reordered": "a producer's records are not in the order in which it sent them",
    "phantom": "the log has a record that nobody sent, or a damaged one",
    "inconsistent": "two see different records at one offset",
    "unsteady": "a reader's offsets have a gap or go back",
    "watermark": "the high watermark went back",
    "commit": "a committed offset went back or was forgotten",
}


@dataclasses.dataclass(frozen=True)
class Violation:
    """One thing that must not be; `kind` is one of `KINDS`, `partition` a (topic, number)."""

    kind: str
    partition: tuple
    text: str

    def __str__(self):
        topic, number = self.partition
        return f"{self.kind}: {topic}-{number}: {self.text}"


class Checker:
    """Feed it in any order between sources; each reader's and each observer's own events in the order in which they came."""

    def __init__(self):
        self.violations = []
        self.counts = dict.fromkeys(KINDS, 0)
        self._producers = []
        self._numbers = {}
        self._log = defaultdict(lambda: array("q"))  # partition -> what is at each offset
        self._fates = defaultdict(lambda: array("q"))  # (producer number, partition) -> what became of each sequence number
        self._unfinished = set()  # producers of which not every record's fate was written down
        self._next = defaultdict(dict)  # reader -> partition -> the offset that it must read next
        self._whole = []  # readers that must have read everything
        self._watermarks = {}  # (observer, partition) -> the highest one seen
        self._observed = defaultdict(list)  # (group, partition) -> (began, offset, observer), in any order
        self._committed = defaultdict(list)  # (group, partition) -> (ended, offset)

    # Producers.

    def acknowledged(self, producer, partition, sequence, offset):
        """The broker said that this record is at `offset`; None: that it is in the log."""
        if offset is None:
            self._set_fate(producer, partition, sequence, SOMEWHERE)
            return
        if offset < 0:
            self._found("inconsistent", partition, f"{producer}/{sequence} was acknowledged at offset {offset}")
            self._set_fate(producer, partition, sequence, UNKNOWN)
            return
        self._set_fate(producer, partition, sequence, offset)

    def unknown(self, producer, partition, sequence):
        """This record was sent, and whether it is in the log was not said."""
        self._set_fate(producer, partition, sequence, UNKNOWN)

    def unfinished(self, producer):
        """This producer ended before it could write down what became of its last records: they may be in the log."""
        self._unfinished.add(self._number(producer))

    # Readers.

    def read(self, reader, partition, offset, producer, sequence, steady=True):
        """`reader` got this record there. A steady reader reads a partition from its start, each offset once."""
        number = self._number(producer)
        self._place(reader, partition, offset, number << SEQUENCE_BITS | sequence, steady)

    def read_damaged(self, reader, partition, offset, why, steady=True):
        """`reader` got something there that no producer can have sent."""
        self._found("phantom", partition, f"{reader} read at offset {offset}: {why}")
        self._place(reader, partition, offset, DAMAGED, steady)

    def whole(self, reader):
        """`reader` has read every partition from its start to its end after all producing was over."""
        self._whole.append(reader)

    # Observers.

    def watermark(self, observer, partition, offset):
        """The high watermark of `partition` was told to `observer`, who asks only after the last answer."""
        before = self._watermarks.get((observer, partition), 0)
        if offset < before:
            self._found("watermark", partition, f"{observer} was told {before}, later {offset}")
        self._watermarks[observer, partition] = max(before, offset)

    def commit(self, group, partition, ended, offset):
        """A member's commit of `offset` was acknowledged at `ended`."""
        self._committed[group, partition].append((ended, offset))

    def committed(self, observer, group, partition, began, offset):
        """Asked at `began` or after it, the coordinator said that `offset` is committed."""
        self._observed[group, partition].append((began, offset, observer))

    # The verdict.

    def judge(self):
        """All violations, at most `MOST_TOLD` of a kind; call it once, after everything was fed."""
        for partition in sorted(self._log.keys() | {partition for _, partition in self._fates}):
            where = self._judge_log(partition)
            self._judge_acknowledged(partition, where)
        for reader in self._whole:
            self._judge_whole(reader)
        for group, partition in sorted(self._observed.keys() | self._committed.keys()):
            self._judge_commits(group, partition)
        return self.violations

    def acknowledged_count(self):
        """How many records were acknowledged."""
        return sum(1 for fates in self._fates.values() for fate in fates if fate >= 0 or fate == SOMEWHERE)

    def log_ends(self):
        """One past the last offset that anybody read or got acknowledged, by partition."""
        ends = {partition: len(log) for partition, log in self._log.items()}
        for (_, partition), fates in self._fates.items():
            ends[partition] = max([ends.get(partition, 0), *(fate + 1 for fate in fates if fate >= 0)])
        return ends

    def _judge_log(self, partition):
        """Looks for doubled, disordered and invented records; returns where every record is that was found out of place."""
        log, last, first_at = self._log[partition], {}, {}
        seen = None  # what is before `offset`; gathered only once something is wrong
        for offset, code in enumerate(log):
            if code < 0:
                continue
            number, sequence = code >> SEQUENCE_BITS, code & ((1 << SEQUENCE_BITS) - 1)
            fates = self._fates.get((number, partition), ())
            fate = fates[sequence] if sequence < len(fates) else UNSENT
            if fate == UNSENT and number not in self._unfinished:
                self._found("phantom", partition, f"{self._named(code)} at offset {offset} was never sent")
            if fate != offset:
                first_at.setdefault(code, offset)
            before = last.get(number, -1)
            if sequence <= before:
                seen = seen or _first_places(log, offset)
                self._judge_step_back(partition, offset, code, before, seen)
            if seen is not None:
                seen.setdefault(code, offset)
            last[number] = max(before, sequence)
        return first_at

    def _judge_step_back(self, partition, offset, code, before, seen):
        if code in seen:
            self._found("duplicate", partition, f"{self._named(code)} is at offsets {seen[code]} and {offset}")
        else:
            self._found("reordered", partition, f"{self._named(code)} at offset {offset} comes after number {before}")

    def _judge_acknowledged(self, partition, elsewhere):
        log = self._log[partition]
        for number, producer in enumerate(self._producers):
            for sequence, offset in enumerate(self._fates.get((number, partition), ())):
                code = number << SEQUENCE_BITS | sequence
                if offset == SOMEWHERE and code not in elsewhere:
                    self._found("lost", partition, f"{producer}/{sequence}, acknowledged, is nowhere")
                if offset < 0 or (offset < len(log) and log[offset] == code):
                    continue
                there = self._named(log[offset]) if offset < len(log) else "the end of the log"
                if code in elsewhere:
                    text = f"{producer}/{sequence} was acknowledged at offset {offset} but is at {elsewhere[code]}"
                    self._found("inconsistent", partition, text)
                else:
                    self._found("lost", partition, f"{producer}/{sequence}, acknowledged at offset {offset}, where {there} is")

    def _judge_whole(self, reader):
        for partition, end in sorted(self.log_ends().items()):
            reached = self._next[reader].get(partition, 0)
            if reached < end:
                self._found("lost", partition, f"{reader} read to the end, which was offset {reached} for it; others know {end}")

    def _judge_commits(self, group, partition):
        observed = self._observed[group, partition]
        highest = {}
        for _, offset, observer in observed:
            before = highest.get(observer, offset)
            if offset < before:
                self._found("commit", partition, f"{observer} was told that {group} committed {before}, later {offset}")
            highest[observer] = max(before, offset)
        # An answer to a question that was asked after a commit was acknowledged must know of it.
        acknowledged = iter(sorted(self._committed[group, partition]))
        known, upcoming = -1, next(acknowledged, None)
        for began, offset, observer in sorted(observed):
            while upcoming and upcoming[0] < began:
                known, upcoming = max(known, upcoming[1]), next(acknowledged, None)
            if offset < known:
                self._found("commit", partition, f"{group} got {known} acknowledged; {observer} asked later and was told {offset}")

    def _place(self, reader, partition, offset, code, steady):
        log = self._log[partition]
        if steady:
            due = self._next[reader].get(partition, 0)
            if offset != due:
                self._found("unsteady", partition, f"{reader} read offset {offset} where {due} was due")
            self._next[reader][partition] = max(due, offset + 1)
        if offset >= len(log):
            log.extend([UNREAD] * (offset + 1 - len(log)))
        if log[offset] == UNREAD:
            log[offset] = code
        elif log[offset] != code:
            text = f"{reader} read {self._named(code)} at offset {offset}, another reader {self._named(log[offset])}"
            self._found("inconsistent", partition, text)

    def _set_fate(self, producer, partition, sequence, fate):
        fates = self._fates[self._number(producer), partition]
        if sequence >= len(fates):
            fates.extend([UNSENT] * (sequence + 1 - len(fates)))
        if fates[sequence] >= 0 and fate >= 0 and fates[sequence] != fate:
            text = f"{producer}/{sequence} was acknowledged at offset {fates[sequence]} and at {fate}"
            self._found("inconsistent", partition, text)
        fates[sequence] = max(fates[sequence], fate) if fates[sequence] >= 0 else fate

    def _number(self, producer):
        if producer not in self._numbers:
            self._numbers[producer] = len(self._producers)
            self._producers.append(producer)
        return self._numbers[producer]

    def _named(self, code):
        if code < 0:
            return "a damaged record" if code == DAMAGED else "nothing"
        return f"{self._producers[code >> SEQUENCE_BITS]}/{code & ((1 << SEQUENCE_BITS) - 1)}"

    def _found(self, kind, partition, text):
        self.counts[kind] += 1
        if self.counts[kind] <= MOST_TOLD:
            self.violations.append(Violation(kind, partition, text))


def _first_places(log, end):
    """The first offset of everything that is in `log` before `end`."""
    places = {}
    for offset in range(end):
        places.setdefault(log[offset], offset)
    return places
