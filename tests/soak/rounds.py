"""A round: load, admin requests, malformed requests and disconnecting clients at once; then idle, and the footprint is measured."""

import concurrent.futures
import json
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import attacks
import bad_inputs
import consistent
import footprint
import load
import probe
import vanishing
from orders import Operators


class Round(NamedTuple):
    """The result of a round."""

    number: int
    ended_seconds: float
    answers: int
    orders: int
    refusals: int
    vanished: int
    holds: footprint.Footprint
    wrong: list
    attacked: bool
    p99_ms: float
    silent_ms: float


def attacking(port, seconds):
    """Attackers in a process of their own: they would take this one's time."""
    command = [sys.executable, "-B", attacks.__file__, "--port", str(port), "--seconds", str(seconds), "--clients", "26"]
    return subprocess.Popen([*command, "--largest-body", str(bad_inputs.MAX_BODY_BYTES)], stdout=subprocess.DEVNULL)


class Play:
    """What the rounds share."""

    def __init__(self, server, loadtest):
        self.server, self.loadtest = server, loadtest
        self.began = time.monotonic()
        first = server.deployment()
        self.roles, self.read = {first["generation"]: consistent.roles(first)}, 0
        self.operators = Operators(server)
        self.bad_inputs = bad_inputs.every()
        self.ports = {bad_inputs.DATA: server.port, bad_inputs.ADMIN: server.admin_port}
        self.first_rest = None

    def round(self, number, seconds, attacked=False):
        """Runs everything at once until the load ends and the others have done their part."""
        orders = self.operators.orders
        with concurrent.futures.ThreadPoolExecutor() as side_by_side:
            attackers = attacking(self.server.port, seconds) if attacked else None
            reports = side_by_side.submit(load.play, self.loadtest, self.server.port, number, seconds)
            silence = side_by_side.submit(probe.longest_silence, self.server.admin_port, lambda: not reports.done())
            operators = side_by_side.submit(self.operators.round, number, lambda: not reports.done())
            refusals = side_by_side.submit(self.refuse)
            vanished = side_by_side.submit(self.vanish)
        operators.result()
        if attackers:
            attackers.wait(timeout=120)
        reports, unrefused, (gone, lost) = reports.result(), refusals.result(), vanished.result()
        wrong = [reason for report in reports for reason in load.wrong(report)] + unrefused + lost
        wrong += self.contradictions([seat for report in reports for seat in report["seats"]])
        holds = footprint.at_rest(self.server, self.first_rest)
        self.first_rest = self.first_rest or holds
        return Round(
            number=number,
            ended_seconds=time.monotonic() - self.began,
            answers=sum(map(load.answered, reports)),
            orders=self.operators.orders - orders,
            refusals=len(self.bad_inputs) - len(unrefused),
            vanished=gone,
            holds=holds,
            wrong=wrong,
            attacked=attacked,
            p99_ms=max(map(load.p99_ms, reports)),
            silent_ms=silence.result(),
        )

    def refuse(self):
        """Sends each malformed request once; returns the wrong responses."""
        wrong = (bad_inputs.wrongly_answered(bad, self.ports) for bad in self.bad_inputs)
        return [one for one in wrong if one]

    def vanish(self):
        """Runs each kind of disconnecting client once, slow ones concurrently; returns their number, and those that couldn't connect."""
        lost = []

        def one(client):
            try:
                client(self.ports)
            except OSError as error:
                lost.append(f"{client.__name__}: {error!r}")

        slow = [threading.Thread(target=one, args=[client]) for client in vanishing.UNTIL_THEY_ARE_CUT]
        for thread in slow:
            thread.start()
        for client in vanishing.AT_ONCE:
            one(client)
        for thread in slow:
            thread.join()
        return len(vanishing.AT_ONCE) + len(slow) - len(lost), lost

    def contradictions(self, seats):
        """Compares the answers of a run with the journal and with the responses to operators."""
        current = self.server.deployment()["generation"]
        wrong = []
        if current != self.operators.generation:
            wrong.append(f"the server is at generation {current}, its operators know of {self.operators.generation}")
        return wrong + consistent.contradictions(self.journalled(), seats, current)

    def journalled(self):
        """The version in each role by generation, including new lines of the journal."""
        with (self.server.folder / "state/audit.jsonl").open() as journal:
            journal.seek(self.read)
            entries = [json.loads(line)["entry"] for line in iter(journal.readline, "")]
            self.read = journal.tell()
        self.roles |= consistent.roles_by_generation(entries)
        return self.roles
