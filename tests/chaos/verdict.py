"""The rows of a run: what was checked and whether it holds, and the figures beside it."""

from collections import defaultdict

from checker import KINDS
from pauses import longest_pause, percentile, summary

EXAMPLES = 8


class Verdict:
    """Rows are added as they are judged; `show` prints the table and the last line."""

    def __init__(self):
        self.rows = []  # (name, what it means, problems)
        self.figures = []

    @property
    def failed(self):
        """How many rows do not hold."""
        return sum(1 for _, _, problems, _ in self.rows if problems)

    def row(self, name, meaning, problems, count=None):
        """One thing that was checked; it holds if there are no problems. `count` of them, if not all are told."""
        self.rows.append((name, meaning, list(problems), count))

    def figure(self, text):
        """A line that is only told."""
        self.figures.append(text)

    def show(self):
        """Problems, figures, table, and the sum."""
        for name, _, problems, count in self.rows:
            for problem in problems[:EXAMPLES]:
                print(f"{name}: {problem}")
            if (count or len(problems)) > EXAMPLES:
                print(f"{name}: {(count or len(problems)) - EXAMPLES} more")
        print()
        for text in self.figures:
            print(text)
        print()
        width = max(len(name) for name, _, _, _ in self.rows)
        for name, meaning, problems, count in self.rows:
            print(f"{'FAIL' if problems else 'PASS'}  {name:<{width}}  {count or len(problems):>5}  {meaning}")
        print(f"{len(self.rows) - self.failed} passed, {self.failed} failed", flush=True)


def judge_journals(verdict, journals):
    """What the journals alone can tell."""
    checker = journals.checker
    violations = checker.judge()
    for kind, meaning in KINDS.items():
        verdict.row(kind, meaning, [str(one).removeprefix(f"{kind}: ") for one in violations if one.kind == kind], checker.counts[kind])
    verdict.row("errors", "a client saw an error that no retry cures", [f"{name}: {text}" for name, text in journals.faults_of_clients])
    verdict.row("unfinished", "a client did not come to its end", journals.unended)
    verdict.row("idle", "there was nothing to judge", _idle(journals))
    reads = sum(count for (_, kind), count in journals.counts.items() if kind == "R")
    looks = {kind: sum(count for (_, had), count in journals.counts.items() if had == kind) for kind in "CWO"}
    verdict.figure(
        f"{checker.acknowledged_count()} records acknowledged, {len(journals.failed)} given up, {reads} reads, {looks['C']} commits of "
        f"partitions, {looks['W']} high watermarks and {looks['O']} committed offsets looked at")
    verdict.figure("clients: " + ", ".join(sorted(set(journals.versions.values()))))
    for text, count in sorted(journals.notes.items(), key=lambda item: -item[1])[:12]:
        verdict.figure(f"  retried {count:>5} x {text}")


def judge_pauses(verdict, journals, events, bound_seconds, bounded):
    """The longest pause of each partition by each event; those of the kinds in `bounded` must keep the bound, if there is one."""
    times = {partition: [one.acknowledged for one in waited] for partition, waited in journals.acknowledgements.items()}
    led, others = defaultdict(list), defaultdict(list)
    for event in events:
        for partition in sorted(times):
            pause = longest_pause(times[partition], partition, event.began, event.until)
            if pause:
                # Without a victim, or in a whole round, every partition counts.
                is_led = event.victim == 0 or journals.leader_at(partition, event.began) == event.victim
                (led if is_led else others)[event.kind].append((pause, event))
    for kind in sorted(led.keys() | others.keys()):
        worst = max(led[kind], key=lambda one: one[0].longest, default=None)
        where = f"; longest at {worst[0].partition[0]}-{worst[0].partition[1]} in: {worst[1].text}" if worst else ""
        verdict.figure(f"pause of acknowledgements, {kind:<9} led by the victim: {summary([one.longest for one, _ in led[kind]])}{where}")
        if others[kind]:
            verdict.figure(f"{'':<27}{kind:<9} led by others:     {summary([one.longest for one, _ in others[kind]])}")
    if bound_seconds is None:
        return
    too_long = [
        f"{pause.partition[0]}-{pause.partition[1]}: {pause.longest} ms from {pause.since} in: {event.text}"
        for kind in bounded for pause, event in [*led[kind], *others[kind]] if pause.longest > bound_seconds * 1000]
    verdict.row("pause", f"a partition's acknowledgements paused for more than {bound_seconds:g} s", too_long)


def judge_failed_produces(verdict, journals):
    """No produce may fail at all."""
    given_up = [f"{name}: {topic}-{number}: {code}" for _, name, (topic, number), code in journals.failed]
    verdict.row("produces", "a produce with acks=all was given up", given_up)


def show_latencies(verdict, journals, events):
    """Acknowledgement latency of the partitions that others lead, before each pause and during it."""
    for event in events:
        lasted = event.done - event.began
        before, during = [], []
        for partition, waited in journals.acknowledgements.items():
            leaders = {journals.leader_at(partition, time) for time in (event.began - lasted, event.began, event.done)}
            if event.victim in leaders or -1 in leaders:
                continue
            before += [one.acknowledged - one.sent for one in waited if event.began - lasted <= one.sent < event.began]
            during += [one.acknowledged - one.sent for one in waited if event.began <= one.sent < event.done]
        told = [f"p50 {percentile(found, 0.5)} ms, p99 {percentile(found, 0.99)} ms ({len(found)} records)" for found in (before, during)]
        verdict.figure(f"{event.text}: acknowledgements of partitions led by others: before {told[0]}, during {told[1]}")


def _idle(journals):
    """What a run must have for its rows to mean anything."""
    needed = {"A": "acknowledgements", "R": "reads", "C": "commits", "O": "committed offsets", "W": "high watermarks", "L": "leaders"}
    kinds = {kind for _, kind in journals.counts}
    idle = [f"no {what}" for kind, what in needed.items() if kind not in kinds]
    if not any(name.startswith("final-") for name, _ in journals.counts):
        idle.append("nobody read everything in the end")
    return idle
