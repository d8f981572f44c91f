"""One load on one server, sent by stillhouse-loadtest, and what it took."""

import contextlib
import json
import shutil
import signal
import subprocess
import time

import processes
from running import Failed

# If the runner is killed, the kernel stops the generator.
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


class Generator:
    def __init__(self, program, url, headers, bodies):
        """`bodies` are files, which are sent in rotation."""
        options = "--check status --labels none --warmup 0s --json"
        self.command = [*DIES_WITH_US, program, "run", *options.split(), "--url", url]
        for name, value in headers.items():
            self.command += ["--header", f"{name}: {value}"]
        self.command += ["--pictures", *bodies]

    @contextlib.contextmanager
    def running(self, load, seconds):
        """Runs a load: a number of callers (int) or requests/s (float). The generator has ended afterwards in any case."""
        how = ["--callers", str(load)] if isinstance(load, int) else ["--rate", f"{load:.2f}"]
        process = subprocess.Popen(
            [*self.command, *how, "--duration", f"{seconds}s"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C at the terminal is handled by the runner.
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    @staticmethod
    def read(process, limit_seconds):
        """The report of a run. Exit code 1 means that requests failed, which the report has, too."""
        try:
            out, err = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"the generator was not done {limit_seconds} s later") from late
        if not out.strip():
            raise Failed(f"the generator gave up: {err.strip()}")
        return json.loads(out)

    def interrupt(self, process):
        """Ends a run early. The generator may miss a signal before it has installed its handler, so the signal is repeated until it
        ends."""
        give_up = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < give_up:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                # Its report is larger than a pipe may be: this reads on.
                process.communicate(timeout=2)
        return self.read(process, 1)


def summary(report):
    """The part of a generator's report that is kept."""
    phase = report["phases"][0]
    latency = phase["latency_ms"] or {}
    return {
        "seconds": phase["seconds"],
        "offered": phase["offered"],
        "answered": phase["answered"],
        "requests_per_second": phase["answered_per_second"],
        "p50_ms": latency.get("p50"),
        "p99_ms": latency.get("p99"),
        "unanswered": phase["offered"] - phase["answered"],
        "reasons": [reason(each) for each in phase["reasons"]],
        "generator_cpu_seconds": report["generator"]["cpu_seconds"],
    }


def reason(each):
    """A reason of failures as text: the count and an example."""
    words = filter(None, [each["reason"], each["example"].strip()])
    return f"{each['count']} x {', '.join(words)[:120]}"


def measured(generator, server, load, seconds):
    """Runs a load and measures the server's processor time."""
    before = server.cpu_seconds(), processes.machine_busy_seconds(), time.monotonic()
    with generator.running(load, seconds) as process:
        found = summary(generator.read(process, 3 * seconds + 60))
    after = server.cpu_seconds(), processes.machine_busy_seconds(), time.monotonic()
    cpu, busy, wall = (b - a for a, b in zip(before, after, strict=True))
    found["load"] = load
    found["server_cpu_us"] = 1e6 * cpu / found["answered"] if found["answered"] else None
    # Processor time of other processes, in cores.
    found["others"] = max(0.0, (busy - cpu - found["generator_cpu_seconds"]) / wall)
    return found
