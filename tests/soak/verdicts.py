"""From the rounds and what the server left behind to verdicts."""

import json
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

# Failures of our own; refusals and vanished clients are none.
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
    """Is everything flat, and was every answer right? The first round warms up, and is the measure of what is counted."""
    wrong = [f"round {one.number}: {reason}" for one in rounds for reason in one.wrong]
    answers = sum(one.answers for one in rounds)
    yield flat.Verdict("every answer is right", not wrong and answers > 0, "; ".join(wrong[:10]) or f"{answers} answers")
    yield flat.memory("memory of its own", [one.holds.own_bytes for one in rounds[1:]])
    for name in COUNTS:
        yield flat.count(NAMES[name], [getattr(one.holds, name) for one in rounds])


def of_metrics(seen):
    """Does the server itself know of failures?"""
    known = {series: seen[series] for series in FAULTS if seen[series]}
    return flat.Verdict("no fault in the metrics", not known, json.dumps(known) if known else f"{len(FAULTS)} kinds, none counted")


def of_log(lines):
    """Errors and panics in the log."""
    bad = [line for line in lines if '"level":"ERROR"' in line or "panicked at" in line]
    return flat.Verdict("no error in the log", not bad, bad[0][:500] if bad else f"{len(lines)} lines")


def of_journal(program, state):
    """Every line of the audit log, every hash."""
    command = [program, "audit", "verify", "--state", state]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
    return flat.Verdict("the journal holds", done.returncode == 0, said[0])
