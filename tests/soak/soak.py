#!/usr/bin/env python3
"""Soak test: does the server hold more resources at the end than at the beginning?

Rounds of well-formed load (by stillhouse-loadtest, which checks every answer) while operators bring versions in, promote,
roll back and remove them, bad inputs are refused and clients vanish. Between rounds everything comes to rest, and memory,
threads, file descriptors, child processes, series of metrics and files are read: they must be flat. No answer may fail or
contradict the journal, every bad input must get its refusal.

usage: tests/soak/soak.py [--minutes 3] [--server PROGRAM] [--loadtest PROGRAM] [--json FILE] [--attacks] [--leak]
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import tempfile
import time

import bad_inputs
import flat
import footprint
import holding
import rounds
import table
import verdicts
from borrowed import machines

# Timeouts are short enough to disconnect slow clients within a round, and long enough for normal ones on a busy machine.
SETTINGS = f"""
# Checking a version has low priority and takes long on a busy machine.
[loading]
unload_after_seconds = 1
timeout_seconds = 600

[routing]
fallback_after_ms = 30000

[shadow]
rate = 0.5
cooldown_seconds = 1

# If measured, both would differ between loads, and with them threads and memory.
[batch]
max_batch = 8
workers = 2

[connections]
header_timeout_seconds = 5
write_timeout_seconds = 5

[requests]
max_body_bytes = {bad_inputs.MAX_BODY_BYTES}
body_timeout_seconds = 5
deadline_ms = 60000

[log]
format = "json"
"""

# Duration of a round's load: long in a long soak, short in a short one so that there are enough rounds.
LOAD_SECONDS = {"long": 42, "short": 9}
LONG_MINUTES = 10


def arguments():
    parser = argparse.ArgumentParser(description="Everything at once, for a while: is what the server holds flat?")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--server", help="the program under test (target/debug/stillhouse unless given)")
    parser.add_argument("--loadtest", help="the load tester (beside the server unless given)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the readings to this file")
    parser.add_argument("--attacks", action="store_true", help="attack the server in every other round")
    parser.add_argument("--leak", action="store_true", help="let a client leak connections: the soak must fail")
    return parser.parse_args()


def prepared(program, folder):
    """A server with the shipped models and a tampered version."""
    server = machines.Server(program, folder, SETTINGS)
    broken = server.models / "fashion" / bad_inputs.BROKEN_VERSION
    shutil.copytree(server.models / "fashion/s2", broken)
    network = broken / "model.onnx"
    network.write_bytes(network.read_bytes()[:-1] + b"?")
    return server


def play(server, loadtest, minutes, leak, attacks):
    """Runs rounds until the time is over."""
    seen, began = [], time.monotonic()
    seconds = LOAD_SECONDS["long" if minutes >= LONG_MINUTES else "short"]
    with contextlib.ExitStack() as at_the_end:
        holder = holding.Holder(server.port) if leak else None
        if holder:
            at_the_end.callback(holder.stop)
        one = rounds.Play(server, loadtest)
        while time.monotonic() - began < minutes * 60 or len(seen) <= flat.LEAST_ROUNDS:
            if holder:
                holder.more()
            seen.append(one.round(len(seen), seconds, attacked=attacks and len(seen) % 2 == 0))
            server.child.alive()
            print(table.line(seen[-1]), flush=True)
        return seen, footprint.metrics(server), footprint.threads_by_name(server)


def main():
    asked = arguments()
    if not pathlib.Path("/proc/self/status").is_file():
        print("skipped: there is no /proc, from which the footprint is read")
        return
    program = machines.built_server(asked.server)
    loadtest = pathlib.Path(asked.loadtest or program.parent / "stillhouse-loadtest").resolve()
    if not loadtest.is_file():
        raise SystemExit(f"no load tester at {loadtest}: build it with `cargo build -p stillhouse-loadtest`, or give its path")
    with tempfile.TemporaryDirectory(prefix="stillhouse-soak-") as folder:
        server = prepared(program, pathlib.Path(folder))
        with machines.stopped_at_the_end(server):
            server.start()
            print(table.HEAD, flush=True)
            seen, metrics, threads = play(server, loadtest, asked.minutes, asked.leak, asked.attacks)
            server.stop()
        code = server.child.process.returncode
        found = [
            *verdicts.of_rounds(seen),
            *(verdicts.of_attacks(seen, asked.minutes >= LONG_MINUTES) if asked.attacks else []),
            verdicts.of_metrics(metrics),
            verdicts.of_log(server.child.log.read_text(errors="replace").splitlines()),
            verdicts.of_journal(program, server.folder / "state"),
            flat.Verdict("the server stops when asked to", code == 0, f"exit code {code}"),
        ]
    print(f"\n{table.verdicts(found)}\n\n{table.summary(seen)}\nthreads at the last rest: {json.dumps(threads)}")
    passed = all(one.flat for one in found)
    if asked.json:
        asked.json.write_text(json.dumps(table.as_json(program, seen, found, passed), indent=1) + "\n")
    if not passed:
        raise SystemExit("not flat: " + ", ".join(one.what for one in found if not one.flat))
    print(f"flat, over {len(seen)} rounds and {seen[-1].ended_seconds / 60:.1f} minutes ({program})")


if __name__ == "__main__":
    main()
