"""The load: well-formed requests by stillhouse-loadtest, which checks every answer."""

import json
import subprocess

from borrowed import ROOT, machines

# Far from what a server of this play can do, so that whatever fails is no overload; and patient, so that a machine that
# stands still for a while makes nothing fail.
PATIENT = ["--timeout", "60s", "--give-up-after", "60s", "--warmup", "0s"]
SHAPES = (
    ["--rate", "150", "--connections", "16"],
    ["--rate", "150", "--connections", "2", "--http", "2", "--streams", "8"],
    ["--callers", "8"],
)


class Load:
    """One run of the load tester, begun and, later, asked what came of it."""

    def __init__(self, program, port, number, seconds):
        shape = SHAPES[number % len(SHAPES)]
        url = f"http://127.0.0.1:{port}/predict"
        command = [program, "run", "--url", url, "--pictures", ROOT / "samples/fashion", "--json"]
        command += [*shape, *PATIENT, "--duration", f"{seconds}s", "--seed", str(number)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        self.process.kill()
        self.process.wait()

    def report(self):
        """What it says at its end; a run that says nothing has failed."""
        out, said = self.process.communicate(timeout=300)
        try:
            return json.loads(out)
        except ValueError:
            raise machines.Missed(f"the load tester ended with {self.process.returncode}: {said[-1000:]}") from None


def wrong(report):
    """Checks of a report that weren't met, in words."""
    reasons = [reason for phase in report["phases"] for reason in phase["reasons"]]
    unmet = [f"{check['what']}: {check['found']}" for check in report["checks"] if not check["ok"]]
    if unmet and reasons:
        unmet.append(f"reasons: {json.dumps(reasons)[:1000]}")
    return unmet


def answered(report):
    return sum(phase["answered"] for phase in report["phases"])
