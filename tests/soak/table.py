"""The test's output."""

import flat

COLUMNS = (
    ("round", 5, lambda one: one.number),
    ("min", 6, lambda one: f"{one.ended_seconds / 60:.1f}"),
    ("answers", 8, lambda one: one.answers),
    ("orders", 6, lambda one: one.orders),
    ("refused", 7, lambda one: one.refusals),
    ("gone", 5, lambda one: one.vanished),
    ("own MB", 7, lambda one: f"{one.holds.own_bytes / 1e6:.1f}"),
    ("RSS MB", 7, lambda one: f"{one.holds.resident_bytes / 1e6:.1f}"),
    ("threads", 7, lambda one: one.holds.threads),
    ("fds", 4, lambda one: one.holds.descriptors),
    ("series", 6, lambda one: one.holds.series),
    ("p99 ms", 7, lambda one: f"{one.p99_ms:.1f}"),
    ("silent", 7, lambda one: f"{one.silent_ms:.0f}{'!' if one.attacked else ''}"),
    ("wrong", 5, lambda one: len(one.wrong)),
)
HEAD = "  ".join(name.rjust(width) for name, width, _ in COLUMNS)


def line(one):
    """The line of a finished round."""
    text = "  ".join(str(value(one)).rjust(width) for _, width, value in COLUMNS)
    return text + "".join(f"\n       {reason}" for reason in one.wrong[:5])


def verdicts(found):
    width = max(len(one.what) for one in found)
    return "\n".join(f"{'ok    ' if one.flat else 'FAILED'} {one.what.ljust(width)}  {one.found}" for one in found)


def growth(rounds):
    """Growth of private memory in bytes per hour, after the first third."""
    _, second, last = flat.thirds(rounds)
    later = second + last
    return flat.per_hour([one.ended_seconds for one in later], [one.holds.own_bytes for one in later])


def summary(rounds):
    """A summary of all rounds."""
    def total(name):
        return sum(getattr(one, name) for one in rounds)

    text = (
        f"{total('answers')} answers, {total('orders')} orders, {total('refusals')} bad inputs refused, "
        f"{total('vanished')} clients vanished"
    )
    # With few rounds the slope is noise.
    if len(rounds) >= flat.MANY_ROUNDS:
        text += f"\nprivate memory {growth(rounds) / 1e6:+.1f} MB per hour, by the slopes since the first third"
    return text


def as_json(program, rounds, found, passed):
    return {
        "server": str(program),
        "passed": passed,
        "verdicts": [one._asdict() for one in found],
        "bytes_per_hour": growth(rounds),
        "rounds": [one._asdict() | {"holds": one.holds._asdict()} for one in rounds],
    }
