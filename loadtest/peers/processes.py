"""What /proc says of processes: who is below whom, what they used, what they hold."""

import os
import pathlib

PROC = pathlib.Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def fields(stat):
    """The fields of a `stat` after the name, which may hold blanks and brackets itself: the first is the state."""
    return stat[stat.rindex(")") + 2 :].split()


def parent(stat):
    return int(fields(stat)[1])


def cpu_seconds(stat, own=True):
    """Of the process and of those children of it that were collected; without its own, of these alone."""
    user, system, child_user, child_system = map(int, fields(stat)[11:15])
    return (child_user + child_system + (user + system if own else 0)) / TICKS


def pss_bytes(rollup):
    """Proportional set size: a page that n processes share counts 1/n in each, so that a sum over processes is right."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no line Pss")


def busy_seconds(stat):
    """Of all processors together, from /proc/stat: all but idle and waiting for a disk. Time stolen by other machines counts."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.splitlines()[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def read(pid, name):
    """Nothing where the process has gone, which it may at any time."""
    try:
        return (PROC / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def below(pid):
    """All descendants."""
    children = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (stat := read(entry.name, "stat")):
            children.setdefault(parent(stat), []).append(int(entry.name))
    found = []
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def tree_cpu_seconds(guard):
    """Of a server: all below its guard, and what the guard collected."""
    stats = [stat for pid in below(guard) if (stat := read(pid, "stat"))]
    own = read(guard, "stat")
    return sum(map(cpu_seconds, stats)) + (cpu_seconds(own, own=False) if own else 0)


def tree_pss_bytes(guard):
    rollups = [read(pid, "smaps_rollup") for pid in below(guard)]
    return sum(pss_bytes(rollup) for rollup in rollups if rollup)


def machine_busy_seconds():
    return busy_seconds((PROC / "stat").read_text())
