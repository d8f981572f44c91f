#!/usr/bin/env python3
"""The real server under traffic and faults, monitored by a real Prometheus with our rules.

It starts a server on the shipped models (teacher, s1 as stable, every answer shadowed), sends sample pictures and variants
of them, then does what goes wrong in real life, and after each fault waits for the alerts that it must cause. At the end it
sends the query of every panel, of every variable and of every mark to Prometheus, and looks for every recorded series: each
must have had data with the labels that it promises.

Prometheus looks each second and the alerts' `for` is cut to a second: nothing here waits for longer than it must.

usage: tests/watch/live.py [SERVER]      (target/debug/stillhouse unless given)
"""

import json
import pathlib
import shutil
import sys
import tempfile
import time

from completeness import commands_exist, frames_have_data, panels_have_data, rules_have_data
from faults import STEPS, Play
from machines import Prometheus, Server, built_server, stopped_at_the_end, until
from promql import rules

SETTINGS = """
[routing]
key_header = "x-user"

[batch]
queue = 8
workers = 1

[connections]
max_connections = 96

[shadow]
rate = 1.0
budget_per_second = 2000.0
queue = 1024
cooldown_seconds = 0

[drift]
answers = 200

[judge]
soak_seconds = 1
step_pairs = 20
step_answers = 5

[log]
format = "json"
"""

# Alerts that no step causes, with the reason.
NOT_PROVOKED = {
    "StillhouseNotScraped": "there is always a target",
    "StillhouseShadowsFailing": "takes a teacher that fails but was accepted",
    "StillhouseShadowsDropped": "takes most of five minutes under overload",
    "StillhouseThreadsStuck": "takes a network that can't be stopped; tests/all/hanging.rs has one, promtool the rule",
    "StillhouseSlow": "a small network on a small queue is refused before it is slow",
}


def main():
    program = built_server(sys.argv[1] if len(sys.argv) > 1 else None)
    if not shutil.which("prometheus"):
        raise SystemExit("no prometheus here (Debian: apt-get install prometheus)")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stillhouse-watch-") as folder:
        server = Server(program, pathlib.Path(folder), SETTINGS)
        prometheus = Prometheus(pathlib.Path(folder), f"127.0.0.1:{server.admin_port}")
        with stopped_at_the_end(prometheus, server):
            server.start()
            prometheus.start()
            until("the server is scraped", lambda: prometheus.now('up{job="stillhouse"} == 1'), 15)
            play = Play(server, prometheus)
            for step in STEPS:
                begin = time.monotonic()
                step(play)
                print(f"{time.monotonic() - begin:6.1f} s  {step.__name__}: {step.__doc__.splitlines()[0]}", flush=True)
            failed = []
            of_prometheus = ((check, prometheus) for check in (panels_have_data, frames_have_data, rules_have_data))
            for check, of in (*of_prometheus, (commands_exist, program)):
                asked, empty = check(of)
                print(f"{asked - len(empty):6} of {asked}  {check.__doc__.splitlines()[0]}", flush=True)
                failed += empty
            alerts = {rule["alert"] for rule in rules("alert")}
            unseen = alerts - play.seen - set(NOT_PROVOKED)
            failed += [f"{alert} never fired and isn't listed as expected not to fire" for alert in sorted(unseen)]
            print(f"{len(play.seen):6} of {len(alerts)}  alerts fired; not provoked: {json.dumps(NOT_PROVOKED)}")
    if failed:
        raise SystemExit("\n".join(failed))
    print(f"all as it should be, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
