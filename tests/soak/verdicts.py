"""The checks over all rounds, the log and the journal."""

import json
import statistics
import subprocess

import flat
from footprint import COUNTS

NAMES = {
    "threads": "threads",
    "descriptors": "file descriptors",
    "children": "child processes",
    "files": "files of the repository",
    "stale_series": "series of versions that are gone",
}

# The server's own failures; refusals and disconnected clients don't count.
FAULTS = (
    'stillhouse_refusals_total{reason="inference_failed"}',
    'stillhouse_refusals_total{reason="inference_panicked"}',
    'stillhouse_refusals_total{reason="non_finite_output"}',
    'stillhouse_refusals_total{reason="worker_lost"}',
    'stillhouse_refusals_total{reason="panicked"}',
    'stillhouse_refusals_total{reason="queue_full"}',
    'stillhouse_refusals_total{reason="deadline_exceeded"}',
)


def of_rounds(rounds):
    """Is everything flat, and was every answer right? The first round is the warm-up and the baseline of counts."""
    wrong = [f"round {one.number}: {reason}" for one in rounds for reason in one.wrong]
    answers = sum(one.answers for one in rounds)
    yield flat.Verdict("every answer is right", not wrong and answers > 0, "; ".join(wrong[:10]) or f"{answers} answers")
    yield flat.memory("memory of its own", [one.holds.own_bytes for one in rounds[1:]])
    for name in COUNTS:
        yield flat.count(NAMES[name], [getattr(one.holds, name) for one in rounds])


# Honest clients may have to wait so many times longer while the server is attacked.
ATTACKED_TIMES = 3
# The admin plane may be silent for so long, on a machine that has cores to spare.
SILENT_MS = 500


def of_attacks(rounds, judges_latency):
    """Compares rounds with attacks to those without. The first round is the warm-up.

    Latency is judged only in a long soak of a release build. In a short one the server is built for tests, and the attackers
    take most of the cores that it shares with them: what honest clients then wait for is the scheduler.
    """
    calm = [one for one in rounds[1:] if not one.attacked]
    attacked = [one for one in rounds[1:] if one.attacked]
    if not calm or not attacked:
        yield flat.Verdict("attacked and calm rounds", False, f"{len(attacked)} attacked, {len(calm)} calm")
        return
    before, under = (statistics.median(one.p99_ms for one in some) for some in (calm, attacked))
    found = f"p99 {before:.1f} ms, attacked {under:.1f} ms: {under / before:.1f} times of at most {ATTACKED_TIMES}"
    if judges_latency:
        yield flat.Verdict("honest clients are answered in time", under <= ATTACKED_TIMES * before, found)
    silent = statistics.median(one.silent_ms for one in attacked)
    found = f"silent for {silent:.0f} ms at most in the median round, of {SILENT_MS} ms"
    yield flat.Verdict("the admin plane answers under attack", silent <= SILENT_MS, found)


def of_metrics(seen):
    """Did the server count failures?"""
    known = {series: seen[series] for series in FAULTS if seen[series]}
    return flat.Verdict("no fault in the metrics", not known, json.dumps(known) if known else f"{len(FAULTS)} kinds, none counted")


def of_log(lines):
    """Errors and panics in the log."""
    bad = [line for line in lines if '"level":"ERROR"' in line or "panicked at" in line]
    return flat.Verdict("no error in the log", not bad, bad[0][:500] if bad else f"{len(lines)} lines")


def of_journal(program, state):
    """Verifies every line and hash of the audit log."""
    command = [program, "audit", "verify", "--state", state]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    output = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
    return flat.Verdict("the journal holds", done.returncode == 0, output[0])
