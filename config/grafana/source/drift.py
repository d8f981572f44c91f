"""Drift of answers and pictures against validation, and of students against their teacher"""

from frame import choice, dashboard, one_label_value
from panels import FLEET_ROLE, INSTANCE, MODEL, RATE, ROLE, bars, columns, limit, lines, now, query, table

WINDOW = FLEET_ROLE + ', window="$window"'
SEAT = "{{model}}/{{version}} {{role}}"
STATISTIC = WINDOW + ', statistic="$statistic"'

# References have no role; these are the references of the versions that were counted.
ANSWERED = f"fleet:stillhouse_predictions:sum{{{WINDOW}}}"
CELLS = 'fleet:stillhouse_reference_input_cell:ratio{statistic="$statistic"}'
PLACED = f"fleet:stillhouse_input_cells:sum{{{STATISTIC}}}"


def quantile(q, histogram):
    rate = f"rate(stillhouse_{histogram}_bucket{{{ROLE}}}{RATE})"
    return f"histogram_quantile({q}, sum by (le, model, version, role) ({rate}))"


def calibration(of):
    """By bin, of each answer."""
    answers = f"(sum by (bin) (fleet:stillhouse_calibration_answers:increase{{{WINDOW}}}) > 0)"
    return f"sum by (bin) (fleet:stillhouse_calibration_{of}:increase{{{WINDOW}}}) / {answers}"


ANSWERS = [
    lines(
        "Answers compared with validation",
        "KL(live‖reference) of the predicted classes. Dashed: its 99.9 % quantile without drift, and the "
        "configured effect above the bias. An alert needs both to be exceeded.",
        "suffix: nats",
        [
            query(f"fleet:stillhouse_prediction_kl_nats:sum{{{WINDOW}}}", SEAT),
            limit(f"fleet:stillhouse_prediction_kl_nats:noise{{{WINDOW}}}", SEAT + " noise"),
            limit(
                f"fleet:stillhouse_prediction_kl_nats:bias{{{WINDOW}}} "
                f'+ on (job) group_left () max by (job) (stillhouse_drift_effect_nats{{{INSTANCE}}})',
                SEAT + " matters",
            ),
        ],
        min=0,
    ),
    lines(
        "The same as PSI and JS",
        "The population stability index (KL both ways, added) and Jensen-Shannon's divergence (0 to 1 bit), for "
        "comparison. Neither has an alert, since fixed thresholds ignore the number of answers.",
        "none",
        [
            query(f"fleet:stillhouse_prediction_psi:sum{{{WINDOW}}}", SEAT + " PSI"),
            query(f"fleet:stillhouse_prediction_js_bits:sum{{{WINDOW}}}", SEAT + " JS, bits"),
        ],
        min=0,
    ),
    columns(
        "Prediction mix",
        "How often each class is answered, compared with validation; the mean over the chosen versions and roles.",
        "percentunit",
        "class",
        [
            ("live", f"avg by (class) (fleet:stillhouse_prediction_share:ratio{{{WINDOW}}})"),
            ("reference", f"avg by (class) (fleet:stillhouse_reference_class:ratio and on (job, model, version) {ANSWERED})"),
        ],
        min=0,
    ),
    bars(
        "Classes that changed most",
        "Each class's part of KL(live‖reference); their sum is the whole. The ten largest.",
        "suffix: nats",
        [
            now(
                f"sort_desc(topk(10, fleet:stillhouse_prediction_class_kl_nats:part{{{WINDOW}}}))",
                "{{class}} ({{version}} {{role}})",
            )
        ],
        min=0,
    ),
]

INPUTS = [
    lines(
        "Pictures compared with validation",
        "KL(live‖reference) of each statistic: brightness, contrast, sharpness, colour and size of the decoded picture, and "
        "of the logits. The table has the noise of each.",
        "suffix: nats",
        [
            query(
                f"max by (model, version, role, statistic) (fleet:stillhouse_input_kl_nats:sum{{{WINDOW}}})",
                "{{statistic}} ({{version}} {{role}})",
            )
        ],
        min=0,
    ),
    table(
        "Statistics and their noise",
        "KL, its 99.9 % quantile and its mean without drift, and the number of pictures; the maximum over the chosen "
        "versions.",
        "none",
        "statistic",
        [
            ("KL, nats", f"max by (statistic) (fleet:stillhouse_input_kl_nats:sum{{{WINDOW}}})"),
            ("noise, nats", f"max by (statistic) (fleet:stillhouse_input_kl_nats:noise{{{WINDOW}}})"),
            ("bias, nats", f"max by (statistic) (fleet:stillhouse_input_kl_nats:bias{{{WINDOW}}})"),
            ("pictures", f"max by (statistic) (fleet:stillhouse_input_cells:sum{{{WINDOW}}})"),
        ],
        decimals=3,
    ),
    columns(
        "One statistic: $statistic",
        "Its distribution over the reference's 20-quantiles, low to high, with values outside at both ends. Without drift all "
        "inner columns are equal, unless values are tied.",
        "percentunit",
        "cell",
        [
            ("live", f"avg by (cell) (fleet:stillhouse_input_share:ratio{{{STATISTIC}}})"),
            ("reference", f"avg by (cell) ({CELLS} and on (job, model, version, statistic) {PLACED})"),
        ],
        width=24,
        min=0,
    ),
]

TEACHER = [
    lines(
        "Agreement with the teacher",
        "Share of the pairs in which both have the same top class, and in which the teacher's class is among the student's first "
        "five. Dashed: validation minus margin and noise.",
        "percentunit",
        [
            query(f"fleet:stillhouse_agreement:ratio{{{WINDOW}}}", SEAT),
            query(f"fleet:stillhouse_top5_containment:ratio{{{WINDOW}}}", SEAT + " top 5"),
            limit(f"fleet:stillhouse_agreement:floor{{{WINDOW}}}", SEAT + " floor"),
        ],
        max=1,
    ),
    lines(
        "Divergence from the teacher",
        "Mean KL(teacher‖student) of the pairs, each clipped at the judge's limit; not clipped; and at the training temperature, "
        "which compares logits. Dashed: validation plus margin and noise, for the clipped one.",
        "suffix: nats",
        [
            query(f"fleet:stillhouse_divergence_clipped_nats:mean{{{WINDOW}}}", SEAT),
            query(f"fleet:stillhouse_divergence_nats:mean{{{WINDOW}}}", SEAT + " not clipped"),
            query(f"fleet:stillhouse_divergence_at_temperature_nats:mean{{{WINDOW}}}", SEAT + " at temperature"),
            limit(f"fleet:stillhouse_divergence_clipped_nats:ceiling{{{WINDOW}}}", SEAT + " ceiling"),
        ],
        min=0,
    ),
    bars(
        "Classes that the divergence comes from",
        "Each class's part of KL(teacher‖student); they sum to 1. Above 100 classes a pair's whole divergence is attributed to the "
        "teacher's class. The ten largest.",
        "percentunit",
        [
            now(
                f"sort_desc(topk(10, fleet:stillhouse_divergence_class:share{{{WINDOW}}}))",
                "{{class}} ({{version}} {{role}})",
            )
        ],
        min=0,
    ),
    lines(
        "Divergence of single pairs",
        "Median and 95 % quantile of the pairs' divergence.",
        "suffix: nats",
        [
            query(quantile(0.5, "divergence_nats"), SEAT + " p50"),
            query(quantile(0.95, "divergence_nats"), SEAT + " p95"),
        ],
        logarithmic=True,
    ),
    lines(
        "Calibration error",
        "Expected calibration error: the difference of confidence and agreement with the teacher, weighted by answers; 0 is "
        "perfect.",
        "percentunit",
        [query(f"fleet:stillhouse_calibration_error:ratio{{{WINDOW}}}", SEAT)],
        min=0,
    ),
    columns(
        "Confidence and agreement",
        "By tenths of the top probability: the student's mean confidence, and how often the teacher agreed. Confidence above "
        "agreement means over-confidence. Over all chosen versions and roles.",
        "percentunit",
        "bin",
        [
            ("confidence", calibration("probability")),
            ("agreement", calibration("agreements")),
        ],
        min=0,
        max=1,
    ),
    lines(
        "Change detector of stable",
        "ln of the e-SR statistic on each server: it stays near its start while stable is as good as when it was promoted, "
        "and rises steadily once it is not. Dashed: the alarm.",
        "none",
        [
            query(
                f"max by (model, version, metric) (stillhouse_detector_log_statistic{{{MODEL}}})",
                "{{model}}/{{version}} {{metric}}",
            ),
            limit(f"max(stillhouse_detector_alarm_log{{{INSTANCE}}})", "alarm"),
        ],
        width=24,
    ),
]

ALONE = [
    lines(
        "Confidence",
        "Top probability of the answers: median and 10 % quantile.",
        "percentunit",
        [
            query(quantile(0.5, "top1_probability"), SEAT + " p50"),
            query(quantile(0.1, "top1_probability"), SEAT + " p10"),
        ],
        max=1,
        width=8,
    ),
    lines(
        "Entropy",
        "Mean entropy of the answers; ln K for K classes is a uniform guess.",
        "suffix: nats",
        [
            query(
                f"sum by (model, version, role) (rate(stillhouse_entropy_nats_sum{{{ROLE}}}{RATE})) "
                f"/ sum by (model, version, role) (rate(stillhouse_entropy_nats_count{{{ROLE}}}{RATE}))",
                SEAT,
            )
        ],
        min=0,
        width=8,
    ),
    lines(
        "Non-finite outputs",
        "NaN or infinity, per second; should never happen.",
        "reqps",
        [
            query(
                f"sum by (model, version, role, source) (rate(stillhouse_non_finite_total{{{ROLE}}}{RATE}))",
                SEAT + " {{source}}",
            )
        ],
        min=0,
        width=8,
    ),
]

DASHBOARD = dashboard(
    "drift",
    "Drift",
    "Drift of answers and pictures against validation, and of students against their teacher",
    [
        ("Answers compared with validation", ANSWERS),
        ("Pictures compared with validation", INPUTS),
        ("Students compared with their teacher", TEACHER),
        ("Answers on their own", ALONE),
    ],
    more_variables=[
        choice("window", "Window", ["1h", "24h"]),
        one_label_value("statistic", f"stillhouse_reference_input_cell_ratio{{{MODEL}}}", "luma_mean"),
    ],
)
