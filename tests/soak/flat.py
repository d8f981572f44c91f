"""Decides whether readings at equal points of the rounds are flat, and gives the numbers (pure)."""

import statistics
from typing import NamedTuple

# Allowed difference of medians of memory. Single rounds scatter by 3 % (free pages that the C library keeps), medians of two or three
# hardly less; in a long soak each is of a dozen. A leak exceeds both.
GROWTH = {"many": 0.05, "few": 0.15}
MANY_ROUNDS = 18
# The first third is a warm-up, in which caches, heaps and buffers reach their size.
LEAST_ROUNDS = 6


class Verdict(NamedTuple):
    """A check, whether it passed, and the reason."""

    what: str
    flat: bool
    found: str


def thirds(readings):
    n = len(readings)
    return readings[: n // 3], readings[n // 3 : 2 * n // 3], readings[2 * n // 3 :]


def memory(what, bytes_by_round):
    """Memory is flat if the median of the last third of the rounds is hardly above that of the second third."""
    if len(bytes_by_round) < LEAST_ROUNDS:
        return Verdict(what, False, f"{len(bytes_by_round)} rounds are not enough; at least {LEAST_ROUNDS} are needed")
    growth = GROWTH["many" if len(bytes_by_round) >= MANY_ROUNDS else "few"]
    _, second, last = thirds(bytes_by_round)
    before, after = statistics.median(second), statistics.median(last)
    found = f"{before / 1e6:.1f} MB, then {after / 1e6:.1f} MB: {after / before - 1:+.1%} of at most {growth:+.0%}"
    return Verdict(what, after <= before * (1 + growth), found)


def count(what, by_round):
    """A count is flat if no idle point has more than the first."""
    first, most = by_round[0], max(by_round)
    if most <= first:
        return Verdict(what, True, f"{first} after the first round, at most {most} later")
    at = next(number for number, value in enumerate(by_round) if value > first)
    return Verdict(what, False, f"{first} after the first round, {by_round[at]} after round {at}, {by_round[-1]} at the end")


def per_hour(seconds, values):
    """Growth per hour: the median of the slopes between all pairs of readings (Theil-Sen), robust against outliers."""
    points = list(zip(seconds, values, strict=True))
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1 :] if b[0] > a[0]]
    return statistics.median(slopes) * 3600 if slopes else 0.0
