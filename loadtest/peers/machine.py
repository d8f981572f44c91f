"""The machine of a measurement."""

import os
import pathlib
import platform


def field(text, name):
    """The first value of a name in /proc/cpuinfo or /proc/meminfo."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def cores():
    return len(os.sched_getaffinity(0))


def description():
    cpu = field(pathlib.Path("/proc/cpuinfo").read_text(), "model name") or platform.machine()
    memory = field(pathlib.Path("/proc/meminfo").read_text(), "MemTotal")
    gib = int(memory.split()[0]) / (1 << 20)
    return f"{cores()} cores of {cpu}, {gib:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
