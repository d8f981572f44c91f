"""The canary, its evidence, and what the judge waits for"""

from frame import dashboard
from panels import FLEET, FLEET_ROLE, MODEL, RATE, ROLE, limit, lines, now, number, query

BESIDE = 'role=~"stable|canary"'
YES_NO = [
    {
        "type": "value",
        "options": {"0": {"text": "no", "color": "green", "index": 0}, "1": {"text": "yes", "color": "red", "index": 1}},
    }
]


def mean(total, pairs="stillhouse_divergence_nats_count"):
    """Mean over pairs, by version, to compare canary and stable."""
    by = "sum by (model, version, role)"
    return f"{by} (rate({total}{{{MODEL}, {BESIDE}}}{RATE})) / {by} (rate({pairs}{{{MODEL}, {BESIDE}}}{RATE}))"


def log_e(test):
    return [
        query(f'fleet:stillhouse_evidence:log_e{{{FLEET}, test="{test}"}}', "{{model}}/{{version}} {{metric}}"),
        limit(f'fleet:stillhouse_evidence_threshold:log_e{{{FLEET}, test="{test}"}}', "{{model}} needed"),
    ]


NOW = [
    number(
        "Generation",
        "Generation of the current deployment; every change increases it.",
        "none",
        [now(f"max by (model) (stillhouse_deployment_generation{{{MODEL}}})", "{{model}}")],
    ),
    number(
        "Judge's decision",
        "hold: more evidence is needed, see below. alert: needs attention. Empty without a canary.",
        "none",
        [now(f"max by (model, decision) (stillhouse_judge_decision{{{MODEL}}}) == 1", "{{model}}: {{decision}}")],
        text="name",
    ),
    number(
        "Age of the rollout",
        "Since the version became the canary. Beyond judge.maximum_age_seconds the ramp stops and an alert fires.",
        "s",
        [now(f"max by (model) (stillhouse_rollout_age_seconds{{{MODEL}}})", "{{model}}")],
    ),
    number(
        "Time at this share",
        "Each step of the ramp is kept for judge.soak_seconds at least.",
        "s",
        [now(f"max by (model) (stillhouse_rollout_soak_seconds{{{MODEL}}})", "{{model}}")],
    ),
    number(
        "Evidence lost",
        "A restart lost a part of the evidence: the ramp is frozen, a rollback is still possible.",
        "none",
        [now(f"max by (model) (stillhouse_evidence_lost{{{MODEL}}})", "{{model}}")],
        mappings=YES_NO,
    ),
    number(
        "Shadows starved",
        "Answers are sampled but not compared, so nothing can be judged.",
        "none",
        [now(f"max by (model) (stillhouse_shadows_starved{{{MODEL}}})", "{{model}}")],
        mappings=YES_NO,
    ),
]

SHARES = [
    lines(
        "Shares, configured and observed",
        "Dashed: the configured share of each role. Solid: the observed share over 5 minutes. Callers that choose a role by "
        "header aren't counted.",
        "percentunit",
        [
            query(f"fleet:stillhouse_routed_share:ratio_rate5m{{{FLEET_ROLE}}}", "{{model}} {{role}}"),
            limit(f"fleet:stillhouse_split_share:ratio{{{FLEET_ROLE}}}", "{{model}} {{role}} configured"),
        ],
        min=0,
        max=1,
    ),
    lines(
        "Evidence against the split",
        "ln e that the roles don't get their shares; above the dashed line the ramp is frozen. Callers whose keys aren't "
        "spread evenly can cause it, too.",
        "none",
        [
            query(f"max by (instance, model) (stillhouse_sample_ratio_log_e{{{MODEL}}})", "{{model}} on {{instance}}"),
            limit(f"max by (model) (stillhouse_judge_sample_ratio_alarm_log_e{{{MODEL}}})", "{{model}} alarm"),
        ],
    ),
]

EVIDENCE = [
    lines(
        "Evidence for rolling back",
        "ln e over the fleet that the canary is beyond a margin, by metric. If any reaches the dashed line, the canary "
        "is rolled back. Each replica's judge decides by its own part. classes: the guard of each class of stable's answers, "
        "of the replica with the most evidence.",
        "none",
        [
            *log_e("roll_back"),
            query(
                f'max by (model, version) (stillhouse_evidence_log_e{{{MODEL}, metric="classes", test="roll_back"}})',
                "{{model}}/{{version}} classes",
            ),
        ],
    ),
    lines(
        "Evidence for promotion",
        "ln e over the fleet that the canary is within its margins, by metric. All must reach the dashed line; below 0 the "
        "evidence is against a promotion.",
        "none",
        log_e("promotion"),
    ),
    lines(
        "Disagreement: canary − stable",
        "How much more often than stable the canary disagrees with the teacher, on the same pictures; the mean since the "
        "canary started. Dashed: the margin.",
        "percentunit",
        [
            query(
                f'fleet:stillhouse_evidence_difference:mean{{{FLEET}, metric="disagreement"}}', "{{model}}/{{version}}"
            ),
            limit(f"max by (model) (stillhouse_judge_disagreement_margin_ratio{{{MODEL}}})", "{{model}} margin"),
        ],
        width=8,
    ),
    lines(
        "Divergence: canary − stable",
        "How much further from the teacher than stable the canary is, on the same pictures, each clipped; the mean since "
        "the canary started. Dashed: the margin.",
        "suffix: nats",
        [
            query(f'fleet:stillhouse_evidence_difference:mean{{{FLEET}, metric="divergence"}}', "{{model}}/{{version}}"),
            limit(f"max by (model) (stillhouse_judge_divergence_margin_nats{{{MODEL}}})", "{{model}} margin"),
        ],
        width=8,
    ),
    lines(
        "Observations",
        "The amount of evidence: pairs for disagreement and divergence, events for errors and latency. A routing key counts "
        "once within its cool-down.",
        "none",
        [query(f"fleet:stillhouse_evidence_observations:sum{{{FLEET}}}", "{{model}}/{{version}} {{metric}}")],
        width=8,
    ),
    lines(
        "As callers get it",
        "How much more often than stable the canary disagrees with the teacher, each pair weighted by the requests that it stands "
        "for: frequent pictures and busy minutes count more. A promotion needs it below the margin, too.",
        "percentunit",
        [
            query(
                'max by (job, model, version) (stillhouse_evidence_request_weighted_difference'
                f'{{{MODEL}, metric="disagreement"}})',
                "{{model}}/{{version}}",
            ),
            limit(f"max by (model) (stillhouse_judge_disagreement_margin_ratio{{{MODEL}}})", "{{model}} margin"),
        ],
        width=8,
    ),
    lines(
        "What the evidence rests on",
        "Different pictures among the canary's pairs, the requests of different pictures that would say as much as those that were "
        "weighted, and runs of the teacher.",
        "none",
        [
            query(f"sum by (job, model, version) (stillhouse_evidence_pictures{{{MODEL}}})", "{{model}}/{{version}} pictures"),
            query(
                f"sum by (job, model, version) (stillhouse_evidence_effective_sample{{{MODEL}}})",
                "{{model}}/{{version}} effective sample",
            ),
            query(
                f"sum by (job, model, version) (stillhouse_evidence_teacher_runs{{{MODEL}}})",
                "{{model}}/{{version}} runs of the teacher",
            ),
        ],
        width=8,
    ),
]

BOTH = [
    lines(
        "Agreement with the teacher",
        "Share of the pairs in which student and teacher have the same top class; for canary and stable.",
        "percentunit",
        [query(mean("stillhouse_agreements_total"), "{{model}}/{{version}} {{role}}")],
        max=1,
    ),
    lines(
        "Divergence from the teacher",
        "Mean KL(teacher‖student), not clipped; for canary and stable.",
        "suffix: nats",
        [query(mean("stillhouse_divergence_nats_sum"), "{{model}}/{{version}} {{role}}")],
        min=0,
    ),
    lines(
        "Errors",
        "Share of the expected answers of 5 minutes that were refused, late or failed. If stable answered instead of a "
        "canary, the error counts as the canary's.",
        "percentunit",
        [query(f"fleet:stillhouse_errors:ratio_rate5m{{{FLEET}, {BESIDE}}}", "{{model}}/{{version}} {{role}}")],
        min=0,
        width=8,
    ),
    lines(
        "Latency p99",
        "The p99 latency of answers over the last 5 minutes.",
        "s",
        [
            query(
                f"fleet:stillhouse_request_duration_seconds:p99_rate5m{{{FLEET}, {BESIDE}}}",
                "{{model}}/{{version}} {{role}}",
            )
        ],
        width=8,
    ),
    lines(
        "Fallbacks to stable",
        "Requests that a canary or teacher should have answered, by reason. breaker_open: it failed so often that it "
        "is spared.",
        "reqps",
        [
            query(
                f"sum by (model, version, role, reason) (rate(stillhouse_fallbacks_total{{{ROLE}}}{RATE}))",
                "{{model}}/{{version}} {{role}} {{reason}}",
            )
        ],
        stacked=True,
        width=8,
    ),
    # Plain counters: `increase` would miss the first event of each kind, and there is rarely a second one.
    lines(
        "Deployments published",
        "Changes since the servers started, by kind, made by operators or the judge.",
        "none",
        [query(f"sum by (model, action) (stillhouse_deployment_changes_total{{{MODEL}}})", "{{model}} {{action}}")],
    ),
    lines(
        "Changes by the judge",
        "Changes since the servers started. An abort is a rolled-back canary.",
        "none",
        [query(f"sum by (model, action) (stillhouse_judge_orders_total{{{MODEL}}})", "{{model}} {{action}}")],
    ),
]

DASHBOARD = dashboard(
    "rollout",
    "Rollout",
    "The canary, its evidence, and what the judge waits for",
    [("Now", NOW), ("Shares", SHARES), ("Evidence", EVIDENCE), ("Canary and stable", BOTH)],
)
