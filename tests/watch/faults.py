"""What happens to a server in real life, one step after the other, and what must be noticed of it."""

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

# What traffic of a few dozen pictures can't avoid: they aren't spread as ten thousand are.
UNAVOIDABLE = {"StillhouseInputDrift"}

# Pictures of which the stable version is less sure are left out of healthy traffic: a few, sent again and again, would be a
# larger part of it than they are of the world.
SURE = 0.8


class Play:
    """A server, a Prometheus, and what the steps need of both."""

    def __init__(self, server, prometheus):
        self.server, self.prometheus = server, prometheus
        self.random = random.Random(5)
        self.healthy, self.seen = [], set()

    def expect(self, *alerts, seconds=25, meanwhile=lambda: None):
        """The alerts fire, all of them, soon; `meanwhile` goes on with what causes them."""

        def all_fire():
            meanwhile()
            self.seen |= self.prometheus.firing()
            return self.seen >= set(alerts)

        try:
            until("the alerts fire", all_fire, seconds)
        except Missed as missed:
            trial = json.loads(self.server.admin("GET", "/evidence")[1] or "{}").get("on_trial") or {}
            wanting = sorted(set(alerts) - self.seen)
            raise Missed(f"{missed}: {wanting} don't; the judge says {trial.get('reasons')}") from None

    def value(self, expr):
        """The one value of a query; 0 where there is none yet."""
        seen = self.prometheus.now(expr)
        return sum(value for _, value in seen)

    def traffic(self, count, **how):
        return self.server.send([self.random.choice(self.healthy) for _ in range(count)], **how)

    def start_canary(self, version, share, plan):
        body = {"version": version, "share": share, "plan": plan, "reason": "live test"}
        self.server.order("POST", "/canary", body)
        # Counters must be seen at 0, or what comes within the first second is no increase.
        seated = f'stillhouse_requests_total{{role="canary", version="{version}"}}'
        until("the canary is scraped", lambda: self.prometheus.now(seated), 15)

    def canary(self):
        return self.server.deployment().get("canary")


def sample_pictures(play):
    """A picture of each class, and healthy traffic: of each class as many, all of them such that stable is sure."""
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
    """Traffic as at validation, one picture in ten of each class: nothing fires but what can't be avoided."""
    play.by_class, play.healthy = sample_pictures(play)
    answers = play.traffic(600)
    if {status for status, _ in answers} != {200}:
        raise Missed(f"healthy traffic was not answered: {answers[:3]}")
    pairs = 'sum(fleet:stillhouse_pairs:increase{window="1h", role="stable"})'
    until("500 pairs", lambda: play.value(pairs) > 500, 30)
    # Long enough for counts, what follows from them, an alert, and its second of waiting.
    enough = time.time() + 5
    until("all of it is evaluated", lambda: play.prometheus.evaluated() > enough, 20)
    firing = play.prometheus.firing()
    if firing - UNAVOIDABLE:
        raise Missed(f"healthy traffic must alarm nobody, but {firing} fire")


def good_canary(play):
    """A good canary on trial by hand: evidence from every metric, and nothing against it."""
    play.start_canary("s2", "50%", "manual")
    play.traffic(400)
    by = '{{metric="{}", test="{}"}}'
    for metric, test in itertools.product(("disagreement", "divergence"), ("roll_back", "promotion")):
        expr = "fleet:stillhouse_evidence:log_e" + by.format(metric, test)
        until(f"evidence of {metric} for {test}", lambda expr=expr: play.prometheus.now(expr), 20)
    if not play.canary():
        raise Missed("a canary that operators lead must stay")


def draw():
    """The split's hash in plain Python."""
    spec = importlib.util.spec_from_file_location("split_vectors", ROOT / "scripts/split_vectors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw


def unfair_split(play):
    """Only callers whose keys the canary answers: nobody can say any more what is compared with whom.

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
    """Inverted and over-exposed pictures: other answers, other inputs, and a student off its training distribution."""
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
    """The fleet's KL by the rules is that of the server's counters by the formula, and what the server says itself."""

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

    until("KL by the rules, by the formula and by the server are one", all_three, 20)


def damaged(play):
    """Pictures cut off in the middle: the callers' fault, and nobody else's."""
    play.server.send([body[: len(body) // 2] for body in play.healthy[:40]])
    until("corrupt pictures are counted", lambda: play.value('stillhouse_refusals_total{reason="image_corrupt"}') == 40, 15)


def bad_canaries(play):
    """Two bad canaries led by the judge: it ends both, and says so."""
    ended = 'stillhouse_judge_orders_total{action="abort"}'
    for count, version in enumerate(("bad-overconfident", "bad-blind"), start=1):
        play.start_canary(version, "25%", "automatic")
        began = time.monotonic()
        while play.canary() == version:
            if time.monotonic() - began > 40:
                raise Missed(f"{version} is still canary: {play.server.admin('GET', '/evidence')[1][:2000]}")
            play.traffic(60)
        # Each by itself: an increase begins with a counter's second value.
        until("the end is scraped", lambda count=count: play.value(ended) == count, 15)
    play.expect("StillhouseCanaryRolledBack")


def not_numbers(play):
    """A canary that answers NaN to bright pictures: stable answers for it, and its breaker opens."""
    play.start_canary("bad-nan", "50%", "manual")
    bright = [pictures.write(overexposed(rows)) for rows in play.by_class.values()]

    def more():
        answers = play.server.send([play.random.choice(bright) for _ in range(200)])
        if {status for status, _ in answers} != {200}:
            raise Missed("stable must answer for a canary that can't")

    # Fallbacks are told as a part of what all canaries of the last five minutes were given, and those before it had thousands.
    play.expect("StillhouseNonFinite", "StillhouseFallbacks", "StillhouseBreakerOpen", meanwhile=more)
    if play.canary():
        play.server.order("POST", "/abort")


def refused_version(play):
    """A version whose file isn't what its manifest says, ordered twice."""
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
    """More at once than the queue holds, then more connections than are allowed."""
    refused = 0
    # Bursts go on over several scrapes and evaluations: an increase is seen from one to the next.
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
    """The server is killed with a canary on trial, and comes back without what it knew about it."""
    until("connections are free again", lambda: play.value('stillhouse_connections{listener="data"}') < 20, 15)
    play.start_canary("s2", "50%", "manual")
    play.traffic(60)
    until("evidence", lambda: play.value('stillhouse_evidence_observations{metric="disagreement"}') > 10, 20)
    play.server.stop(signal.SIGKILL)
    play.expect("StillhouseDown")
    play.server.start()
    play.traffic(60)
    play.expect("StillhouseEvidenceLost")


def crash_loop(play):
    """It dies twice more."""
    started = "sum(process_start_time_seconds)"
    for _ in range(2):
        # The start is told in whole seconds, one more or less: two within a second could look like one.
        until("it has run for a while", lambda: play.value("min(time() - process_start_time_seconds)") > 4, 20)
        before = play.value(started)
        play.server.stop(signal.SIGKILL)
        play.server.start()
        until("the new process is scraped", lambda before=before: play.value(started) > before, 15)
    play.expect("StillhouseRestarting")


def no_teacher(play):
    """The teacher's role is emptied while a canary waits for pairs."""
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
