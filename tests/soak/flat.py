"""Is it flat? Pure: from readings at equal points of the rounds to a verdict, with the numbers that it goes by."""

import statistics
from typing import NamedTuple

# What medians of memory may differ by. Single rounds scatter by 3 % (free pages that the C library keeps), medians of two or three
# hardly less; in a long soak they are of a dozen. What leaks stops at neither.
GROWTH = {"many": 0.05, "few": 0.15}
MANY_ROUNDS = 18
# The first third warms up: caches, heaps and buffers find their size.
LEAST_ROUNDS = 6


class Verdict(NamedTuple):
    """What was looked at, whether it is flat, and why one says so."""

    what: str
    flat: bool
    found: str


def thirds(readings):
    n = len(readings)
    return readings[: n // 3], readings[n // 3 : 2 * n // 3], readings[2 * n // 3 :]


def memory(what, bytes_by_round):
    """Flat: the median of the last third of the rounds is hardly above that of the second third."""
    if len(bytes_by_round) < LEAST_ROUNDS:
        return Verdict(what, False, f"{len(bytes_by_round)} rounds say nothing; {LEAST_ROUNDS} would be the least")
    growth = GROWTH["many" if len(bytes_by_round) >= MANY_ROUNDS else "few"]
    _, second, last = thirds(bytes_by_round)
    before, after = statistics.median(second), statistics.median(last)
    found = f"{before / 1e6:.1f} MB, then {after / 1e6:.1f} MB: {after / before - 1:+.1%} of at most {growth:+.0%}"
    return Verdict(what, after <= before * (1 + growth), found)


def count(what, by_round):
    """Flat: at no point of rest are there more than at the first."""
    first, most = by_round[0], max(by_round)
    if most <= first:
        return Verdict(what, True, f"{first} after the first round, at most {most} later")
    at = next(number for number, value in enumerate(by_round) if value > first)
    return Verdict(what, False, f"{first} after the first round, {by_round[at]} after round {at}, {by_round[-1]} at the end")


def per_hour(seconds, values):
    """Growth an hour: the median of the slopes between all pairs of readings, which single outliers don't move."""
    points = list(zip(seconds, values, strict=True))
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1 :] if b[0] > a[0]]
    return statistics.median(slopes) * 3600 if slopes else 0.0
