"""Runs one server and makes sure that none of its processes outlives the process that started it.

usage: guard.py LOG COMMAND...

Every process that comes of COMMAND stays below this one, also those that were orphaned or made sessions of their own (it is
their subreaper). When its standard input closes, which the kernel does if the runner dies, the server gets SIGTERM and then,
with all that is left of it, SIGKILL. It prints when the server was started, so that its own start doesn't count.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

import processes

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 20


def reap():
    """Reaps ended processes; false when none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def closed(seconds):
    """Whether standard input is closed, or is closed within this time."""
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


def end(server):
    with contextlib.suppress(ProcessLookupError):
        os.kill(server, signal.SIGTERM)
    give_up = time.monotonic() + GRACE_SECONDS
    while reap() and time.monotonic() < give_up:
        # Some leave their children to themselves.
        if server not in processes.below(os.getpid()):
            break
        time.sleep(0.02)
    while reap():
        for pid in processes.below(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def main():
    # Ctrl-C at the terminal is handled by the runner. A signal ignored here would be ignored by the server, too; one with a
    # handler isn't.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("this kernel has no subreapers")
    with open(sys.argv[1], "ab") as log:
        started = time.monotonic_ns()
        server = subprocess.Popen(
            sys.argv[2:],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ).pid
    print(server, started, flush=True)
    try:
        while reap() and server in processes.below(os.getpid()) and not closed(0.1):
            pass
    finally:
        end(server)


if __name__ == "__main__":
    main()
