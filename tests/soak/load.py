"""The load: well-formed requests by stillhouse-loadtest, which checks every answer."""

import json
import subprocess

from borrowed import ROOT, machines

# Far below the server's maximum, so that failures aren't overload, and with long timeouts, so that a stall of the machine
# causes no failures.
PATIENT = ["--timeout", "60s", "--give-up-after", "60s", "--warmup", "0s"]
SHAPES = (
    ["--rate", "150", "--connections", "16"],
    ["--rate", "150", "--connections", "2", "--http", "2", "--streams", "8"],
    ["--callers", "8"],
)


def play(program, port, number, seconds):
    """Runs all load shapes one after the other; yields the load tester's reports. Raises if there is no report."""
    return [run(program, port, shape, number, seconds / len(SHAPES)) for shape in SHAPES]


def run(program, port, shape, seed, seconds):
    url = f"http://127.0.0.1:{port}/predict"
    command = [program, "run", "--url", url, "--pictures", ROOT / "samples/fashion", "--json"]
    command += [*shape, *PATIENT, "--duration", f"{seconds:.1f}s", "--seed", str(seed)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise machines.Missed(f"the load tester ended with {done.returncode}: {done.stderr[-1000:]}") from None


def wrong(report):
    """The failed checks of a report, as text."""
    reasons = [reason for phase in report["phases"] for reason in phase["reasons"]]
    unmet = [f"{check['what']}: {check['found']}" for check in report["checks"] if not check["ok"]]
    if unmet and reasons:
        unmet.append(f"reasons: {json.dumps(reasons)[:1000]}")
    return unmet


def p99_ms(report):
    """The highest p99 of a report's phases."""
    return max((phase["latency_ms"] or {"p99": 0})["p99"] for phase in report["phases"])


def answered(report):
    return sum(phase["answered"] for phase in report["phases"])
