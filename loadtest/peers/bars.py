"""The targets of the comparison (set in issue 6) against the medians. Targets that need other measurements aren't here."""

import dataclasses

OURS = "stillhouse"
FULL, BUSY = "64", "80%"
FIRST_ANSWER_SECONDS = 0.3
# The expected ratio of requests/s follows approximately from processor time and what the generator leaves: this share
# of it is enough.
NEAR = 0.9


@dataclasses.dataclass
class Bar:
    what: str
    limit: str
    found: str
    # None where a server that it names was not measured.
    met: bool | None


def cpu(row):
    return row["loads"][FULL]["server_cpu_us"]


def p99(row):
    return row["loads"][BUSY]["p99_ms"]


def complete(rows):
    """Whether a peer completed all loads; only then can it be compared."""
    return {peer: row for peer, row in rows.items() if {FULL, BUSY} <= row["loads"].keys() and cpu(row) and p99(row)}


def ratio(what, limit, ours, theirs):
    """The ratio of our figure to theirs, which must be at most `limit`."""
    if ours is None or theirs is None:
        return Bar(what, f"≤ {limit:.3g}", "not measured", None)
    return Bar(what, f"≤ {limit:.3g}", f"{ours / theirs:.3g}", ours / theirs <= limit)


def bars(medians, cores):
    found = []
    for work, limits in (("w1", w1), ("w2", w2)):
        rows = complete(medians.get(work, {}))
        if work in medians:
            ours = rows.pop(OURS, None)
            found += limits(ours, rows, cores) if ours else [Bar(f"{work.upper()}: all", "", "not measured", None)]
            found += both(work.upper(), ours, rows) if ours else []
    return found


def w1(ours, rows, cores):
    fastapi, triton = rows.get("fastapi"), rows.get("triton")
    found = [
        ratio("W1, 64 connections: server CPU a request over FastAPI's", 1 / 12, cpu(ours), fastapi and cpu(fastapi)),
        ratio("W1, 64 connections: server CPU a request over Triton's", 1 / 5, cpu(ours), triton and cpu(triton)),
    ]
    for name, row in (("FastAPI's", fastapi), ("Triton's", triton)):
        found.append(ahead(name, ours, row, cores))
    return found


def ahead(name, ours, row, cores):
    """Requests/s over theirs, in proportion to processor time and to the cores that the generator left."""
    what = f"W1, 64 connections: requests/s over {name}, in proportion to CPU a request and the cores that the generator left"
    if not row:
        return Bar(what, "", "not measured", None)
    mine, theirs = ours["loads"][FULL], row["loads"][FULL]
    left = [cores - load["generator_cores"] for load in (mine, theirs)]
    least = NEAR * cpu(row) / cpu(ours) * left[0] / left[1]
    times = mine["requests_per_second"] / theirs["requests_per_second"]
    return Bar(what, f"≥ {least:.3g} ({NEAR:.0%} of it)", f"{times:.3g}", times >= least)


def w2(ours, rows, _cores):
    best = min((cpu(row) for row in rows.values()), default=None)
    return [ratio("W2, 64 connections: server CPU a request over the best peer's", 0.75, cpu(ours), best)]


def both(work, ours, rows):
    fastest = min((p99(row) for row in rows.values()), default=None)
    smallest = min((row["memory_bytes"] for row in rows.values()), default=None)
    first = ours["first_answer_seconds"]
    return [
        ratio(f"{work}: p99 at 80 % of its own maximum over the lowest peer's", 1, p99(ours), fastest),
        ratio(f"{work}: peak memory over the smallest peer's", 1 / 3, ours["memory_bytes"], smallest),
        Bar(
            f"{work}: start to first answer",
            f"≤ {FIRST_ANSWER_SECONDS} s",
            f"{first:.2f} s",
            first <= FIRST_ANSWER_SECONDS,
        ),
    ]
