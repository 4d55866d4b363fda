"""How long producers waited: the longest time without an acknowledgement of a partition, by fault, and latencies. Pure.

Times are milliseconds; a window is [from, to).
"""

import bisect
import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Pause:
    """`longest` milliseconds in which nothing of `partition` was acknowledged, beginning at `since`."""

    partition: tuple
    since: int
    longest: int


def longest_pause(times, partition, since, until):
    """The longest gap between neighbours of `times` (sorted) that touches the window; None if there was no acknowledgement around it.

    A gap that began before the window counts from its beginning: so long did a client wait. One that goes on after the window counts
    up to its end: what comes then belongs to the next window.
    """
    first = max(bisect.bisect_right(times, since) - 1, 0)
    last = bisect.bisect_left(times, until)
    around = times[first : last + 1]
    if len(around) < 2:
        return None
    gap, start = max((min(after, until) - before, before) for before, after in zip(around, around[1:]))
    return Pause(partition, start, gap)


def percentile(values, share):
    """The smallest value that at least `share` (0 to 1) of `values` do not exceed; None without values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else None


def summary(values):
    """`p50, p99 and max`, as text."""
    if not values:
        return "none"
    return f"p50 {percentile(values, 0.5)} ms, p99 {percentile(values, 0.99)} ms, max {max(values)} ms ({len(values)} measured)"
