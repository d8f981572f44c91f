"""Availability, latency and quality at a glance"""

from frame import dashboard
from panels import FLEET, FLEET_ROLE, INSTANCE, RATE, ROLE, limit, lines, now, number, plain_table, query

STABLE = FLEET + ', role="stable"'
SEEN = 'alertname=~"Stillhouse.+", job=~"$job|"'


def quantile(q):
    rate = f"rate(stillhouse_request_duration_seconds_bucket{{{ROLE}}}{RATE})"
    return f"histogram_quantile({q}, sum by (le, model, version, role) ({rate}))"


STEPS = {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": 1}]}

AT_A_GLANCE = [
    number(
        "Servers up",
        "Servers scraped successfully, and all known to Prometheus. A server that is still loading counts as down.",
        "none",
        [now(f"sum(up{{{INSTANCE}}})", "answering"), now(f"count(up{{{INSTANCE}}})", "known")],
    ),
    number(
        "Pictures per second",
        "All pictures that reached a version, whatever the outcome.",
        "reqps",
        [now(f"sum(rate(stillhouse_requests_total{{{ROLE}}}{RATE}))", "pictures")],
    ),
    number(
        "Stable's errors",
        "Share of the expected answers of 5 minutes that were refused, late or failed; the worst model. The objective is in "
        "config/prometheus/rules/objectives.yml.",
        "percentunit",
        [now(f"max(fleet:stillhouse_errors:ratio_rate5m{{{STABLE}}})", "errors")],
    ),
    number(
        "Stable's p99",
        "p99 latency of the slowest model, over 5 minutes.",
        "s",
        [now(f"max(fleet:stillhouse_request_duration_seconds:p99_rate5m{{{STABLE}}})", "p99")],
    ),
    number(
        "Stable agrees with its teacher",
        "Share of the pairs of the last hour in which both have the same top class; the worst model. Empty without a teacher.",
        "percentunit",
        [now(f'min(fleet:stillhouse_agreement:ratio{{{STABLE}, window="1h"}})', "agreement")],
    ),
    number(
        "Firing alerts",
        "Of config/prometheus/rules/alerts-*.yml.",
        "none",
        [now(f'count(ALERTS{{{SEEN}, alertstate="firing"}}) or vector(0)', "firing")],
        thresholds=STEPS,
    ),
]

ALERTS = [
    plain_table(
        "Alerts",
        "Firing and pending alerts. docs/runbook.md has a section for each.",
        "none",
        f"ALERTS{{{SEEN}}}",
        hidden=["Value"],
    ),
    plain_table(
        "Traffic by role",
        "Pictures per second by version and role. Versions that lost their role stay here until they are unloaded.",
        "reqps",
        f"sum by (model, role, version) (rate(stillhouse_requests_total{{{ROLE}}}{RATE}))",
        value="pictures per second",
    ),
]

ANSWERS = [
    lines(
        "Pictures by version",
        "Answers by version and role. Shadows aren't traffic and aren't counted.",
        "reqps",
        [query(f"sum by (model, version, role) (rate(stillhouse_requests_total{{{ROLE}}}{RATE}))", "{{model}}/{{version}} {{role}}")],
        stacked=True,
    ),
    lines(
        "Outcomes of requests",
        "ok: a prediction. invalid: the caller's error. refused: the queue was full. expired: too late. client_expired: too late "
        "for a deadline that the client chose. failed: the network failed. cancelled: the caller disconnected.",
        "reqps",
        [query(f"sum by (outcome) (rate(stillhouse_requests_total{{{ROLE}}}{RATE}))", "{{outcome}}")],
        stacked=True,
    ),
    lines(
        "Errors",
        "Share of the expected answers of 5 minutes that were refused, late or failed. If a canary fails, stable answers, "
        "so callers see only stable's errors.",
        "percentunit",
        [
            query(f"fleet:stillhouse_errors:ratio_rate5m{{{FLEET_ROLE}}}", "{{model}}/{{version}} {{role}}"),
            limit("stillhouse:error_objective:ratio", "objective"),
        ],
        min=0,
    ),
    lines(
        "Latency",
        "From the routing of a picture to its prediction, decoding included. Predictions only.",
        "s",
        [
            query(quantile(0.5), "{{model}}/{{version}} {{role}} p50"),
            query(quantile(0.99), "{{model}}/{{version}} {{role}} p99"),
            limit("stillhouse:latency_objective:p99_seconds", "objective of p99"),
        ],
        logarithmic=True,
    ),
]

QUALITY = [
    lines(
        "Agreement with the teacher",
        "Share of the pairs of the last hour in which student and teacher have the same top class. Below the dashed line it "
        "is less than at validation by more than margin and noise.",
        "percentunit",
        [
            query(f'fleet:stillhouse_agreement:ratio{{{FLEET_ROLE}, window="1h"}}', "{{model}}/{{version}} {{role}}"),
            limit(f'fleet:stillhouse_agreement:floor{{{FLEET_ROLE}, window="1h"}}', "{{model}}/{{version}} {{role}} floor"),
        ],
        max=1,
    ),
    lines(
        "Divergence from the teacher",
        "Mean KL(teacher‖student) of the pairs of the last hour, each clipped at the judge's limit. Above the dashed line it is "
        "more than at validation by more than margin and noise.",
        "suffix: nats",
        [
            query(
                f'fleet:stillhouse_divergence_clipped_nats:mean{{{FLEET_ROLE}, window="1h"}}',
                "{{model}}/{{version}} {{role}}",
            ),
            limit(
                f'fleet:stillhouse_divergence_clipped_nats:ceiling{{{FLEET_ROLE}, window="1h"}}',
                "{{model}}/{{version}} {{role}} ceiling",
            ),
        ],
        min=0,
    ),
]

DASHBOARD = dashboard(
    "overview",
    "Overview",
    "Availability, latency and quality at a glance",
    [("At a glance", AT_A_GLANCE), ("Alerts and traffic", ALERTS), ("Answers", ANSWERS), ("Quality", QUALITY)],
)
