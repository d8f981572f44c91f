"""The test's steps: each applies traffic or a fault to a server, and expects certain alerts and values."""

import importlib.util
import itertools
import json
import math
import random
import re
import shutil
import signal
import socket
import time

import pictures
from machines import Missed, ask, until
from promql import ROOT

# Alerts that traffic of a few dozen pictures can't avoid, since their distribution differs from the reference's.
UNAVOIDABLE = {"StillhouseInputDrift"}

# Pictures of which the stable version is less sure are left out of healthy traffic: a few, sent again and again, would be a
# larger part of it than they are of the world.
SURE = 0.8


class Play:
    """A server and a Prometheus, with helpers for the steps."""

    def __init__(self, server, prometheus):
        self.server, self.prometheus = server, prometheus
        self.random = random.Random(5)
        self.healthy, self.seen = [], set()

    def expect(self, *alerts, seconds=25, meanwhile=lambda: None):
        """Waits until all of the alerts fire; `meanwhile` keeps causing them."""

        def all_fire():
            meanwhile()
            self.seen |= self.prometheus.firing()
            return self.seen >= set(alerts)

        try:
            until("the alerts fire", all_fire, seconds)
        except Missed as missed:
            trial = json.loads(self.server.admin("GET", "/evidence")[1] or "{}").get("on_trial") or {}
            wanting = sorted(set(alerts) - self.seen)
            raise Missed(f"{missed}: {wanting} don't; the judge's reasons: {trial.get('reasons')}") from None

    def value(self, expr):
        """The single value of a query; 0 if there is none yet."""
        seen = self.prometheus.now(expr)
        return sum(value for _, value in seen)

    def traffic(self, count, **how):
        return self.server.send([self.random.choice(self.healthy) for _ in range(count)], **how)

    def start_canary(self, version, share, plan):
        body = {"version": version, "share": share, "plan": plan, "reason": "live test"}
        self.server.order("POST", "/canary", body)
        # Counters must be scraped at 0 first, or events within the first second are no increase.
        seated = f'stillhouse_requests_total{{role="canary", version="{version}"}}'
        until("the canary is scraped", lambda: self.prometheus.now(seated), 15)

    def canary(self):
        return self.server.deployment().get("canary")


def sample_pictures(play):
    """Pictures of each class, and healthy traffic: equally many of each class, all with a confident answer of stable."""
    shifts, rows = list(itertools.product((0, -1, 1), repeat=2)), []
    for path in sorted((ROOT / "samples/fashion").glob("*.png")):
        sample = pictures.read(path.read_bytes())
        rows += [pictures.shifted(sample, *shift) for shift in shifts]
    bodies = [pictures.write(one) for one in rows]
    # In order: one connection.
    tops = [seen["predictions"][0] for _, seen in play.server.send(bodies, threads=1)]
    by_class = {}
    for place, top in enumerate(tops):
        if top["probability"] > SURE:
            by_class.setdefault(top["label"], []).append(place)
    traffic = [bodies[place] for places in by_class.values() for place in (places * len(shifts))[: len(shifts)]]
    return {label: rows[places[0]] for label, places in by_class.items()}, traffic


def healthy(play):
    """Traffic as at validation, one picture in ten of each class: only unavoidable alerts fire."""
    play.by_class, play.healthy = sample_pictures(play)
    answers = play.traffic(600)
    if {status for status, _ in answers} != {200}:
        raise Missed(f"healthy traffic was not answered: {answers[:3]}")
    pairs = 'sum(fleet:stillhouse_pairs:increase{window="1h", role="stable"})'
    until("500 pairs", lambda: play.value(pairs) > 500, 30)
    # Long enough for counts, the rules on them, an alert, and its delay of a second.
    enough = time.time() + 5
    until("all of it is evaluated", lambda: play.prometheus.evaluated() > enough, 20)
    firing = play.prometheus.firing()
    if firing - UNAVOIDABLE:
        raise Missed(f"no alert may fire for healthy traffic, but {firing} do")


def good_canary(play):
    """A good canary with a manual plan: evidence from every metric, and nothing against it."""
    play.start_canary("s2", "50%", "manual")
    play.traffic(400)
    by = '{{metric="{}", test="{}"}}'
    for metric, test in itertools.product(("disagreement", "divergence"), ("roll_back", "promotion")):
        expr = "fleet:stillhouse_evidence:log_e" + by.format(metric, test)
        until(f"evidence of {metric} for {test}", lambda expr=expr: play.prometheus.now(expr), 20)
    if not play.canary():
        raise Missed("a canary with a manual plan must stay")


def draw():
    """The split's hash in plain Python."""
    spec = importlib.util.spec_from_file_location("split_vectors", ROOT / "scripts/split_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw


def unfair_split(play):
    """Only callers whose keys belong to the canary, so that the comparison is biased.

    The judge then asks for somebody, or, since everything slow is the canary's now, would even roll it back.
    """
    rollout = play.server.deployment()["rollout"]
    drawn, half = draw(), 1 << 63
    keys = (f"user-{n}" for n in itertools.count())
    canarys = [key for key in itertools.islice(keys, 2400) if drawn("fashion", rollout, key.encode()) < half]
    play.traffic(len(canarys), keys=canarys)
    play.expect("StillhouseSampleRatioMismatch", "StillhouseCanaryNeedsAttention")
    play.server.order("POST", "/abort")


def drifted(play):
    """Inverted and over-exposed pictures: prediction drift, input drift, and a student outside its training distribution."""
    strange = [change(rows) for rows in play.by_class.values() for change in (pictures.inverted, overexposed)]
    bodies = [pictures.write(rows) for rows in strange]

    def more():
        play.server.send([play.random.choice(bodies) for _ in range(200)])

    play.expect("StillhousePredictionDrift", "StillhouseInputDrift", meanwhile=more)
    play.expect("StillhouseStudentDiverges", "StillhouseStudentDisagrees", "StillhouseDetectorAlarm", meanwhile=more)
    agrees_with_the_formula(play)


def overexposed(rows):
    return pictures.brightened(rows, 200)


def agrees_with_the_formula(play):
    """KL of the rules equals the formula applied to the server's counters, and the server's own report."""

    def all_three():
        _, text = ask("GET", f"http://127.0.0.1:{play.server.admin_port}/metrics")
        read = r'^stillhouse_{}\{{class="([^"]+)",model="fashion",{}version="s1"\}} (\S+)$'
        counts = dict(re.findall(read.format("predictions_total", 'role="stable",'), text, re.MULTILINE))
        reference = dict(re.findall(read.format("reference_class_ratio", ""), text, re.MULTILINE))
        n, k = sum(float(count) for count in counts.values()), len(reference)
        kl = 0.0
        for label, ratio in reference.items():
            q = float(ratio)
            p = (float(counts[label]) + k / 2 * q) / (n + k / 2)
            kl += p * math.log(p / q)
        by_rules = play.value('fleet:stillhouse_prediction_kl_nats:sum{role="stable", version="s1", window="1h"}')
        roles = json.loads(play.server.admin("GET", "/drift")[1])["roles"]
        (by_server,) = [role["predictions"]["kl_nats"] for role in roles if role["role"] == "stable"]
        return abs(by_rules - kl) < 0.05 * kl and abs(by_rules - by_server) < 0.05 * kl

    until("KL by the rules, by the formula and by the server are equal", all_three, 20)


def damaged(play):
    """Truncated pictures: an error of the callers."""
    play.server.send([body[: len(body) // 2] for body in play.healthy[:40]])
    until("corrupt pictures are counted", lambda: play.value('stillhouse_refusals_total{reason="image_corrupt"}') == 40, 15)


def bad_canaries(play):
    """Two bad canaries with automatic plans: the judge rolls both back, and an alert fires."""
    ended = 'stillhouse_judge_orders_total{action="abort"}'
    for count, version in enumerate(("bad-overconfident", "bad-blind"), start=1):
        play.start_canary(version, "25%", "automatic")
        began = time.monotonic()
        while play.canary() == version:
            if time.monotonic() - began > 40:
                raise Missed(f"{version} is still canary: {play.server.admin('GET', '/evidence')[1][:2000]}")
            play.traffic(60)
        # One after the other, since an increase starts with a counter's second value.
        until("the end is scraped", lambda count=count: play.value(ended) == count, 15)
    play.expect("StillhouseCanaryRolledBack")


def not_numbers(play):
    """A canary that returns NaN for bright pictures: stable answers instead, and its circuit breaker opens."""
    play.start_canary("bad-nan", "50%", "manual")
    bright = [pictures.write(overexposed(rows)) for rows in play.by_class.values()]

    def more():
        answers = play.server.send([play.random.choice(bright) for _ in range(200)])
        if {status for status, _ in answers} != {200}:
            raise Missed("stable must answer if the canary fails")

    # Fallbacks are a share of all requests to canaries in the last five minutes, and earlier canaries had thousands.
    play.expect("StillhouseNonFinite", "StillhouseFallbacks", "StillhouseBreakerOpen", meanwhile=more)
    if play.canary():
        play.server.order("POST", "/abort")


def refused_version(play):
    """A version whose file doesn't match its manifest, loaded twice."""
    broken = play.server.models / "fashion/broken"
    shutil.copytree(play.server.models / "fashion/s2", broken)
    network = broken / "model.onnx"
    network.write_bytes(network.read_bytes()[:-1] + b"?")
    for _ in range(2):
        status, _ = play.server.admin("POST", "/versions/broken/load")
        if status in (200, 201, 202):
            raise Missed("a broken version was accepted")
        seen = play.value('stillhouse_loads_total{outcome="refused"}')
        until("the refusal is scraped", lambda seen=seen: play.value('stillhouse_loads_total{outcome="refused"}') > seen, 15)
    play.expect("StillhouseVersionRefused")


def overload(play):
    """More concurrent requests than the queue holds, then more connections than allowed."""
    refused = 0
    # Bursts last over several scrapes and evaluations, so that an increase is seen.
    for _ in range(12):
        answers = play.traffic(800, threads=64)
        refused += sum(status == 503 for status, _ in answers)
        if play.prometheus.firing() >= {"StillhouseQueueFull", "StillhouseErrors"}:
            break
    if not refused:
        raise Missed("64 connections must overrun a queue of 8")
    play.expect("StillhouseQueueFull", "StillhouseErrors")
    for _ in range(2):
        closed = 'stillhouse_connections_refused_total{listener="data"}'
        seen = play.value(closed)
        held = [socket.create_connection(("127.0.0.1", play.server.port), timeout=5) for _ in range(150)]
        until("closed connections are scraped", lambda of=closed, seen=seen: play.value(of) > seen, 15)
        for connection in held:
            connection.close()
    play.expect("StillhouseConnectionsRefused")


def killed(play):
    """The server is killed during a canary's trial, and the file with the evidence is damaged before it starts again."""
    until("connections are free again", lambda: play.value('stillhouse_connections{listener="data"}') < 20, 15)
    play.start_canary("s2", "50%", "manual")
    play.traffic(60)
    until("evidence", lambda: play.value('stillhouse_evidence_observations{metric="disagreement"}') > 10, 20)
    by_requests = "stillhouse_evidence_request_weighted_difference"
    until("what callers get, once a minute is over", lambda: play.prometheus.now(by_requests), 70)
    play.server.stop(signal.SIGKILL)
    play.expect("StillhouseDown")
    (play.server.folder / "state/trials.json").write_text("{}")
    play.server.start()
    play.traffic(60)
    play.expect("StillhouseEvidenceLost")


def crash_loop(play):
    """It is killed twice more."""
    started = "sum(process_start_time_seconds)"
    for _ in range(2):
        # The start time is exported in whole seconds, so two starts within a second could look like one.
        until("it has run for a while", lambda: play.value("min(time() - process_start_time_seconds)") > 4, 20)
        before = play.value(started)
        play.server.stop(signal.SIGKILL)
        play.server.start()
        until("the new process is scraped", lambda before=before: play.value(started) > before, 15)
    play.expect("StillhouseRestarting")


def no_teacher(play):
    """The teacher is removed while a canary waits for pairs."""
    play.server.order("PUT", "/teacher", {"version": None})
    play.traffic(60)
    play.expect("StillhouseShadowsStarved", seconds=75)


STEPS = (
    healthy,
    good_canary,
    unfair_split,
    drifted,
    damaged,
    bad_canaries,
    not_numbers,
    refused_version,
    overload,
    killed,
    crash_loop,
    no_teacher,
)
