"""Reads from /proc: the tree of processes, their processor time and their memory."""

import os
import pathlib

PROC = pathlib.Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def fields(stat):
    """The fields of a `stat` file after the name (which may contain blanks and brackets); the first is the state."""
    return stat[stat.rindex(")") + 2 :].split()


def parent(stat):
    return int(fields(stat)[1])


def cpu_seconds(stat, own=True):
    """Processor time of the process and of its reaped children, or only of the children."""
    user, system, child_user, child_system = map(int, fields(stat)[11:15])
    return (child_user + child_system + (user + system if own else 0)) / TICKS


def pss_bytes(rollup):
    """Proportional set size: a page shared by n processes counts 1/n in each, so that sums over processes are right."""
    for line in rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no line Pss")


def busy_seconds(stat):
    """Busy time of all processors, from /proc/stat: all but idle and waiting for a disk. Stolen time counts as busy."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.splitlines()[0].split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def read(pid, name):
    """Empty if the process has ended, which it may at any time."""
    try:
        return (PROC / str(pid) / name).read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def below(pid):
    """All descendants of a process."""
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
    """Processor time of a server: all processes below its guard, and those that the guard reaped."""
    stats = [stat for pid in below(guard) if (stat := read(pid, "stat"))]
    own = read(guard, "stat")
    return sum(map(cpu_seconds, stats)) + (cpu_seconds(own, own=False) if own else 0)


def tree_pss_bytes(guard):
    rollups = [read(pid, "smaps_rollup") for pid in below(guard)]
    return sum(pss_bytes(rollup) for rollup in rollups if rollup)


def machine_busy_seconds():
    return busy_seconds((PROC / "stat").read_text())
