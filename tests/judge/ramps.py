#!/usr/bin/env python3
"""A against A: is a canary that is the same file as stable ever taken out?

The judge leads a copy of stable along the ramp while the server gets one kind of load; nothing differs but the role. Five kinds:
steady, rising until the server refuses, forms of 16 pictures, bursts of 64 requests at once, and a canary that is seldom asked
(1 %). Where answers are late they are late together, and a seldom-used network is slower: neither may count against it.

usage: tests/judge/ramps.py [--ramps 2] [--seconds 60] [--kinds steady,rising,forms,bursts,seldom] [--server PROGRAM] [--json FILE]
"""

import argparse
import contextlib
import json
import pathlib
import random
import shutil
import sys
import tempfile
import time

import loads
from borrowed import ROOT, machines

# The judge's own margins and error rates. Only the ramp is short, and no promotion ends it.
SETTINGS = """
[loading]
child_process = false

[shadow]
rate = 0.5
cooldown_seconds = 0
# Else a full machine makes no pairs, and without pairs the ramp doesn't begin.
gives_way = false

[judge]
ramp = {ramp}
soak_seconds = {soak}
step_pairs = 1
step_answers = 1
promotion_pairs = 1_000_000_000
minimum_age_seconds = 0
"""

RAMP = ["1%", "5%", "25%", "50%"]
SELDOM = ["1%"]

CANARY = "s1-again"


def arguments():
    parser = argparse.ArgumentParser(description="Is a canary that is the same file as stable ever taken out?")
    parser.add_argument("--ramps", type=int, default=2, help="of each kind of load")
    parser.add_argument("--seconds", type=float, default=60, help="a ramp's duration")
    parser.add_argument("--kinds", default=",".join(loads.KINDS), help="of load, separated by commas")
    parser.add_argument("--server", default=ROOT / "target/debug/stillhouse", help="the program under test")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results to this file")
    asked = parser.parse_args()
    asked.kinds = asked.kinds.split(",")
    unknown = sorted(set(asked.kinds) - set(loads.KINDS))
    if unknown:
        parser.error(f"unknown kinds of load: {', '.join(unknown)}; there are {', '.join(loads.KINDS)}")
    return asked


def ramp(server, kind, seconds, seed):
    """One canary under one load; returns what the judge made of it."""
    server.order("POST", "/canary", {"version": CANARY, "share": 0, "plan": "automatic", "reason": f"A against A, {kind}"})
    load = loads.KINDS[kind](server.port, random.Random(seed))
    load.start()
    deadline = time.monotonic() + seconds
    ending, trial = "kept", {}
    while time.monotonic() < deadline:
        time.sleep(0.5)
        evidence = json.loads(server.admin("GET", "/evidence")[1])
        if not evidence["on_trial"]:
            ending, trial = evidence["last"]["ending"], evidence["last"]["trial"]
            break
        trial = evidence["on_trial"]
    sent = load.stop()
    if ending == "kept":
        server.order("POST", "/abort")
    metrics = {metric["metric"]: metric["roll_back"]["log_e"] for metric in trial["metrics"] if metric["roll_back"]}
    return {
        "kind": kind,
        "ending": ending,
        "share_basis_points": trial["share"],
        "requests": sent,
        "pairs": trial["metrics"][0]["observations"],
        "log_e": metrics,
        "reasons": trial["reasons"] if ending != "kept" else [],
    }


def ramps(asked):
    """Every ramp of every kind, each kind on a server of its own."""
    for kind in asked.kinds:
        shares = SELDOM if kind == "seldom" else RAMP
        settings = SETTINGS.format(ramp=json.dumps(shares), soak=int(asked.seconds / (len(shares) + 1)))
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillhouse-ramps-")))
            server = machines.Server(asked.server, folder, settings)
            shutil.copytree(server.models / "fashion" / "s1", server.models / "fashion" / CANARY)
            stack.callback(server.stop)
            server.start()
            for number in range(asked.ramps):
                found = ramp(server, kind, asked.seconds, number)
                said = "".join(f"\n    {reason}" for reason in found["reasons"])
                largest = max(found["log_e"].values())
                print(
                    f"{kind} {number + 1} of {asked.ramps}: {found['ending']} at {found['share_basis_points'] / 100:g} %, "
                    f"{found['requests']} requests, {found['pairs']} pairs, largest ln e {largest:.2f}{said}",
                    flush=True,
                )
                yield found


def main():
    asked = arguments()
    found = list(ramps(asked))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    out = [one for one in found if one["ending"] != "kept"]
    idle = [one for one in found if one["share_basis_points"] == 0 or one["pairs"] == 0]
    print(f"{len(out)} of {len(found)} canaries that are stable's own file were taken out")
    for one in idle:
        print(f"{one['kind']}: never got a share or a pair, so it shows nothing")
    # One in a hundred is what `judge.roll_back_alpha` promises.
    sys.exit(1 if len(out) > len(found) / 100 or idle else 0)


if __name__ == "__main__":
    main()
