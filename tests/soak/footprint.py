"""What the server's process holds, and when it is idle."""

import contextlib
import json
import os
import pathlib
import re
import time
from typing import NamedTuple

from borrowed import machines

# Idle: the one connection and request are those of the scrape itself.
AT_REST = {
    'stillhouse_connections{listener="data"}': 0,
    'stillhouse_connections{listener="admin"}': 1,
    "stillhouse_requests_in_flight": 1,
}
# Threads for blocking work end after 10 s without work.
SETTLED_SECONDS = 12
PATIENCE_SECONDS = 60
LOOK_SECONDS = 0.25
LABEL = re.compile(r'(model|version)="([^"]*)"')


class Footprint(NamedTuple):
    """The footprint at one moment. `own_bytes` is private memory, resident or swapped out."""

    own_bytes: int
    resident_bytes: int
    threads: int
    descriptors: int
    children: int
    files: int
    stale_series: int
    series: int


# Counts that must never exceed those of the first idle point. The number of all series is reported but not checked, since
# some counters start with their first event.
COUNTS = ("threads", "descriptors", "children", "files", "stale_series")


def metrics(server):
    """The series of /metrics with their values."""
    status, text = machines.ask("GET", f"http://127.0.0.1:{server.admin_port}/metrics")
    if status != 200:
        raise machines.Missed(f"/metrics was answered with {status}: {text[:300]}")
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def take(server):
    process = pathlib.Path("/proc") / str(server.child.process.pid)
    status = (process / "status").read_text()

    def kilobytes(field):
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024

    children = 0
    for task in (process / "task").iterdir():
        # A thread may end while it is read.
        with contextlib.suppress(OSError):
            children += len((task / "children").read_text().split())
    descriptors = len(os.listdir(process / "fd"))
    # Last, because the request itself opens one.
    seen = metrics(server)
    return Footprint(
        own_bytes=kilobytes("RssAnon") + kilobytes("VmSwap"),
        resident_bytes=kilobytes("VmRSS"),
        threads=int(re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)[1]),
        descriptors=descriptors,
        children=children,
        files=sum(len(folders) + len(files) for _, folders, files in os.walk(server.models)),
        stale_series=sum(names_one_that_is_gone(one, server.models) for one in seen),
        series=len(seen),
    )


def names_one_that_is_gone(series, models):
    """Whether a series belongs to a version that was removed from the repository."""
    of = dict(LABEL.findall(series))
    return "model" in of and "version" in of and not (models / of["model"] / of["version"]).is_dir()


def threads_by_name(server):
    """The names of threads, for messages."""
    names = (pathlib.Path("/proc") / str(server.child.process.pid) / "task").glob("*/comm")
    counted = {}
    for name in names:
        with contextlib.suppress(OSError):
            one = name.read_text().strip()
            counted[one] = counted.get(one, 0) + 1
    return counted


def quiet(server):
    """Whether nothing is connected, in flight, or loaded without a role."""
    seen = metrics(server)
    versions = json.loads(server.admin("GET", "/versions")[1])["versions"]
    idle = [one["version"] for one in versions if one["loaded"] and not one["roles"]]
    return not idle and all(seen.get(series) == value for series, value in AT_REST.items())


def counts(footprint):
    return tuple(getattr(footprint, name) for name in COUNTS)


def at_rest(server, first=None):
    """Waits until the server is idle, and then until no count exceeds that of the `first` idle point, or, for the first one,
    until the counts stop changing. After a time limit the counts are taken as they are."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not quiet(server) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    seen, since = take(server), time.monotonic()
    while time.monotonic() < deadline:
        if first and all(now <= then for now, then in zip(counts(seen), counts(first), strict=True)):
            break
        if not first and time.monotonic() - since > SETTLED_SECONDS:
            break
        time.sleep(LOOK_SECONDS)
        now = take(server)
        since = since if counts(now) == counts(seen) else time.monotonic()
        seen = now
    return seen
