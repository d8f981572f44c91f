"""Is it answering, how fast, and is it right?"""

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
        "Servers that answer",
        "Scraped successfully, beside all that Prometheus knows. A server that is still loading doesn't answer.",
        "none",
        [now(f"sum(up{{{INSTANCE}}})", "answering"), now(f"count(up{{{INSTANCE}}})", "known")],
    ),
    number(
        "Pictures per second",
        "All that reached a version, however they ended.",
        "reqps",
        [now(f"sum(rate(stillhouse_requests_total{{{ROLE}}}{RATE}))", "pictures")],
    ),
    number(
        "Stable's errors",
        "Of the answers owed in 5 minutes, those that were refused, late or failed; the worst model. The objective is in "
        "config/prometheus/rules/objectives.yml.",
        "percentunit",
        [now(f"max(fleet:stillhouse_errors:ratio_rate5m{{{STABLE}}})", "errors")],
    ),
    number(
        "Stable's p99",
        "99 of 100 answers come within; the slowest model, over 5 minutes.",
        "s",
        [now(f"max(fleet:stillhouse_request_duration_seconds:p99_rate5m{{{STABLE}}})", "p99")],
    ),
    number(
        "Stable agrees with its teacher",
        "Share of the pairs of the last hour in which both name the same class; the worst model. Empty without a teacher.",
        "percentunit",
        [now(f'min(fleet:stillhouse_agreement:ratio{{{STABLE}, window="1h"}})', "agreement")],
    ),
    number(
        "Alerts that fire",
        "Of config/prometheus/rules/alerts-*.yml.",
        "none",
        [now(f'count(ALERTS{{{SEEN}, alertstate="firing"}}) or vector(0)', "firing")],
        thresholds=STEPS,
    ),
]

WHAT_IS_UP = [
    plain_table(
        "Alerts",
        "What fires, and what will if it stays so. docs/runbook.md has a section on each.",
        "none",
        f"ALERTS{{{SEEN}}}",
        hidden=["Value"],
    ),
    plain_table(
        "Who answers",
        "Pictures per second by version and role. Versions that lost their role stay here until they are unloaded.",
        "reqps",
        f"sum by (model, role, version) (rate(stillhouse_requests_total{{{ROLE}}}{RATE}))",
        value="pictures per second",
    ),
]

ANSWERS = [
    lines(
        "Pictures by version",
        "Which version in which role answered how many. Shadows aren't traffic and don't count.",
        "reqps",
        [query(f"sum by (model, version, role) (rate(stillhouse_requests_total{{{ROLE}}}{RATE}))", "{{model}}/{{version}} {{role}}")],
        stacked=True,
    ),
    lines(
        "How requests end",
        "ok: with a prediction. invalid: the caller's fault. refused: the queue was full. expired: too late. failed: the "
        "network's fault. cancelled: the caller left.",
        "reqps",
        [query(f"sum by (outcome) (rate(stillhouse_requests_total{{{ROLE}}}{RATE}))", "{{outcome}}")],
        stacked=True,
    ),
    lines(
        "Errors",
        "Of the answers owed in 5 minutes, those that were refused, late or failed. What a canary fails at is answered by "
        "stable, so callers see stable's errors only.",
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

RIGHT = [
    lines(
        "Agreement with the teacher",
        "Share of the pairs of the last hour in which student and teacher name the same class. Below the dashed line it is "
        "less than at validation by more than margin and noise.",
        "percentunit",
        [
            query(f'fleet:stillhouse_agreement:ratio{{{FLEET_ROLE}, window="1h"}}', "{{model}}/{{version}} {{role}}"),
            limit(f'fleet:stillhouse_agreement:floor{{{FLEET_ROLE}, window="1h"}}', "{{model}}/{{version}} {{role}} floor"),
        ],
        max=1,
    ),
    lines(
        "Divergence from the teacher",
        "Mean KL(teacher‖student) of the pairs of the last hour, each cut at the judge's clip. Above the dashed line it is "
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
    "Is it answering, how fast, and is it right?",
    [("At a glance", AT_A_GLANCE), ("What is up", WHAT_IS_UP), ("Answers", ANSWERS), ("Right", RIGHT)],
)
