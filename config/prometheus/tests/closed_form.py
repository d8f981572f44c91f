#!/usr/bin/env python3
"""Writes closed_form.yml: counters with known values, and the expected results of the recording rules.

The right-hand sides are computed here from the formulas alone, with nothing from the rules: plain sums over plain counts.
All counters rise evenly for an hour from 0, so an increase over that hour is exactly the count. promtool compares floats
bit by bit, hence the rounding to a millionth on both sides.

usage: config/prometheus/tests/closed_form.py > config/prometheus/tests/closed_form.yml
"""

from math import exp, log, log2, sqrt

MINUTES = 60
WINDOWS = ("1h", "24h")
RULES = ("counts-1h", "counts-24h", "requests", "drift", "divergence", "evidence")
GROUPS = ("counts-1h", "counts-24h", "requests", "prediction-drift", "input-drift", "divergence", "evidence")


def labels(**of):
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(of.items())) + "}"


class Case:
    """One promtool test: input series, and expected samples after an hour."""

    def __init__(self, name):
        self.name, self.series, self.samples = name, [], []

    def counter(self, family, per_minute, /, **of):
        self.series.append((family + labels(job="stillhouse", **of), f"0+{per_minute}x{MINUTES}"))

    def gauge(self, family, value, /, **of):
        self.series.append((family + labels(job="stillhouse", **of), f"{value!r}x{MINUTES}"))

    def expect(self, family, value, /, **of):
        self.samples.append((family, labels(job="stillhouse", **of), round(value, 6)))

    def yaml(self):
        lines = [f"  - name: {self.name}", "    interval: 1m", "    input_series:"]
        for series, values in self.series:
            lines += [f"      - series: '{series}'", f"        values: '{values}'"]
        lines.append("    promql_expr_test:")
        for family, of, value in self.samples:
            lines += [
                f"      - expr: 'round({family}{of}, 0.000001)'",
                f"        eval_time: {MINUTES}m",
                f"        exp_samples: [{{labels: '{of}', value: {value!r}}}]",
            ]
        return "\n".join(lines)


def chi_square_999(d):
    return d * (1 - 2 / (9 * d) + 3.0902 * sqrt(2 / (9 * d))) ** 3


class Shift:
    """KL, PSI and JS of counts against a reference, with bias and noise."""

    def __init__(self, counts, reference, samples):
        k, n = len(counts), sum(counts)
        shares = [(count + k / 2 * q) / (n + k / 2) for count, q in zip(counts, reference)]
        pairs = list(zip(shares, reference))
        self.n, self.shares = n, shares
        self.kl = sum(p * log(p / q) for p, q in pairs)
        self.psi = sum((p - q) * log(p / q) for p, q in pairs)
        self.js = sum(p * log2(2 * p / (p + q)) + q * log2(2 * q / (p + q)) for p, q in pairs) / 2
        self.parts = [p * log(p / q) - p + q for p, q in pairs]
        self.bias = (k - 1) / 2 * (1 / n + 1 / samples)
        self.noise = chi_square_999(k - 1) / 2 * (1 / n + 1 / samples)


def predictions(name, per_minute_by_replica, reference, samples):
    """Classes a, b, c ... counted by several replicas."""
    case = Case(name)
    version = {"model": "m", "version": "v"}
    classes = "abcdefghij"[: len(reference)]
    for instance, per_minute in enumerate(per_minute_by_replica):
        for label, rate in zip(classes, per_minute):
            case.counter(
                "stillhouse_predictions_total", rate, **version, role="stable", instance=instance, **{"class": label}
            )
        for label, q in zip(classes, reference):
            case.gauge("stillhouse_reference_class_ratio", q, **version, instance=instance, **{"class": label})
        case.gauge("stillhouse_reference_samples", samples, **version, instance=instance)
    counts = [MINUTES * sum(rates) for rates in zip(*per_minute_by_replica)]
    shift = Shift(counts, reference, samples)
    for window in WINDOWS:
        of = dict(**version, role="stable", window=window)
        case.expect("fleet:stillhouse_predictions:sum", shift.n, **of)
        case.expect("fleet:stillhouse_prediction_kl_nats:sum", shift.kl, **of)
        case.expect("fleet:stillhouse_prediction_psi:sum", shift.psi, **of)
        case.expect("fleet:stillhouse_prediction_js_bits:sum", shift.js, **of)
        case.expect("fleet:stillhouse_prediction_kl_nats:bias", shift.bias, **of)
        case.expect("fleet:stillhouse_prediction_kl_nats:noise", shift.noise, **of)
        for label, share, part in zip(classes, shift.shares, shift.parts):
            case.expect("fleet:stillhouse_prediction_share:ratio", share, **of, **{"class": label})
            case.expect("fleet:stillhouse_prediction_class_kl_nats:part", part, **of, **{"class": label})
    return case


def inputs():
    """Two statistics of different numbers of cells; each has its own noise."""
    case = Case("inputs have drifted in brightness, not in width")
    version, samples = {"model": "m", "version": "v"}, 2000
    statistics = {
        "luma_mean": ([1, 2, 3, 10, 12], [0.1, 0.2, 0.2, 0.25, 0.25]),
        "width": ([0, 28, 0], [0.0002, 0.9996, 0.0002]),
    }
    case.gauge("stillhouse_reference_samples", samples, **version, instance=0)
    for statistic, (per_minute, reference) in statistics.items():
        for cell, (rate, q) in enumerate(zip(per_minute, reference)):
            of = dict(**version, statistic=statistic, cell=f"{cell:02}", instance=0)
            case.counter("stillhouse_input_cells_total", rate, **of, role="stable")
            case.gauge("stillhouse_reference_input_cell_ratio", q, **of)
        shift = Shift([MINUTES * rate for rate in per_minute], reference, samples)
        for window in WINDOWS:
            of = dict(**version, role="stable", statistic=statistic, window=window)
            case.expect("fleet:stillhouse_input_cells:sum", shift.n, **of)
            case.expect("fleet:stillhouse_input_kl_nats:sum", shift.kl, **of)
            case.expect("fleet:stillhouse_input_kl_nats:bias", shift.bias, **of)
            case.expect("fleet:stillhouse_input_kl_nats:noise", shift.noise, **of)
    return case


def pairs():
    """A student compared with its teacher, on two replicas."""
    case = Case("pairs of two replicas")
    version = {"model": "m", "version": "v", "role": "stable"}
    reference, samples, margin, margin_nats = 0.96, 10_000, 0.01, 0.02
    # Each minute and replica: pairs, agreements, within top 5, nats, their squares, clipped nats, nats at temperature.
    replicas = [(10, 9, 10, 0.8, 0.9, 0.7, 1.5), (30, 27, 29, 1.2, 0.6, 1.1, 2.25)]
    names = (
        "divergence_nats_count",
        "agreements_total",
        "top5_containments_total",
        "divergence_nats_sum",
        "divergence_squares_total",
        "divergence_clipped_nats_total",
        "divergence_at_temperature_nats_sum",
    )
    by_class = {"a": 0.5, "b": 1.5, "c": 0.0}
    # By bin: answers, agreements, sum of probabilities.
    bins = {"0": (0, 0, 0.0), "5": (10, 4, 5.5), "9": (30, 30, 29.0)}
    for instance, rates in enumerate(replicas):
        for name, rate in zip(names, rates):
            case.counter(f"stillhouse_{name}", rate, **version, instance=instance)
    for label, rate in by_class.items():
        case.counter("stillhouse_divergence_class_nats_total", rate, **version, instance=0, **{"class": label})
    for tenth, (answers, agreements, probability) in bins.items():
        of = dict(**version, instance=0, bin=tenth)
        case.counter("stillhouse_calibration_answers_total", answers, **of)
        case.counter("stillhouse_calibration_agreements_total", agreements, **of)
        case.counter("stillhouse_calibration_probability_total", probability, **of)
    at = {"model": "m", "version": "v", "instance": 0}
    case.gauge("stillhouse_reference_samples", samples, **at)
    case.gauge("stillhouse_reference_agreement_ratio", reference, **at)
    case.gauge("stillhouse_reference_divergence_clipped_nats", 0.03, **at)
    case.gauge("stillhouse_judge_disagreement_margin_ratio", margin, model="m", instance=0)
    case.gauge("stillhouse_judge_divergence_margin_nats", margin_nats, model="m", instance=0)

    n, agreements, top5, nats, squares, clipped, at_temperature = (MINUTES * sum(rates) for rates in zip(*replicas))
    scatter = 1 / n + 1 / samples
    variance = squares / n - (nats / n) ** 2
    error = sum(abs(p - a) for _, a, p in bins.values()) / sum(answers for answers, _, _ in bins.values())
    for window in WINDOWS:
        of = dict(**version, window=window)
        case.expect("fleet:stillhouse_agreement:ratio", agreements / n, **of)
        case.expect("fleet:stillhouse_top5_containment:ratio", top5 / n, **of)
        case.expect("fleet:stillhouse_divergence_nats:mean", nats / n, **of)
        case.expect("fleet:stillhouse_divergence_clipped_nats:mean", clipped / n, **of)
        case.expect("fleet:stillhouse_divergence_at_temperature_nats:mean", at_temperature / n, **of)
        case.expect("fleet:stillhouse_calibration_error:ratio", error, **of)
        case.expect("fleet:stillhouse_pairs:scatter", scatter, **of)
        floor = reference - margin - 3.0902 * sqrt(reference * (1 - reference) * scatter)
        case.expect("fleet:stillhouse_agreement:floor", floor, **of)
        ceiling = 0.03 + margin_nats + 3.0902 * sqrt(variance * scatter)
        case.expect("fleet:stillhouse_divergence_clipped_nats:ceiling", ceiling, **of)
        for label, rate in by_class.items():
            share = rate / sum(by_class.values())
            case.expect("fleet:stillhouse_divergence_class:share", share, **of, **{"class": label})
    return case


def evidence():
    """Two replicas' log-wealth by stake; of the one metric so large that exp would overflow."""
    case = Case("evidence of two replicas")
    version = {"model": "m", "version": "v"}
    wealth = {
        ("disagreement", "roll_back"): [
            [0.5, 1.0, 1.5, 2.0, -1.0, -3.0, -8.0, -20.0],
            [0.25, 0.5, 1.0, -1.0, 1.0, 2.0, 3.0, 4.0],
        ],
        ("disagreement", "promotion"): [[0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 1.6, -0.8], [0.0] * 8],
        ("divergence", "roll_back"): [[100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0]] * 2,
    }
    for (metric, test), replicas in wealth.items():
        of = dict(**version, metric=metric, test=test)
        for instance, stakes in enumerate(replicas):
            for stake, value in enumerate(stakes):
                case.gauge("stillhouse_evidence_log_wealth", value, **of, stake=stake, instance=instance)
        sums = [sum(stakes) for stakes in zip(*replicas)]
        largest = max(sums)
        log_e = largest + log(sum(exp(value - largest) for value in sums) / len(sums))
        case.expect("fleet:stillhouse_evidence:log_e", log_e, **of)
        for stake, value in enumerate(sums):
            case.expect("fleet:stillhouse_evidence_log_wealth:sum", value, **of, stake=stake)
    observed = {"disagreement": [(100, 0.02), (300, -0.01)], "errors": [(12, None), (30, None)]}
    for metric, replicas in observed.items():
        for instance, (observations, difference) in enumerate(replicas):
            of = dict(**version, metric=metric, instance=instance)
            case.gauge("stillhouse_evidence_observations", observations, **of)
            if difference is not None:
                case.gauge("stillhouse_evidence_mean_difference", difference, **of)
        case.expect(
            "fleet:stillhouse_evidence_observations:sum", sum(n for n, _ in replicas), **version, metric=metric
        )
    mean = sum(n * difference for n, difference in observed["disagreement"]) / 400
    case.expect("fleet:stillhouse_evidence_difference:mean", mean, **version, metric="disagreement")
    for instance in range(2):
        case.gauge("stillhouse_judge_roll_back_log_e", 5.991465, model="m", instance=instance)
        case.gauge("stillhouse_judge_promotion_log_e", 2.995732, model="m", instance=instance)
    case.expect("fleet:stillhouse_evidence_threshold:log_e", 5.991465, model="m", test="roll_back")
    case.expect("fleet:stillhouse_evidence_threshold:log_e", 2.995732, model="m", test="promotion")
    return case


def requests():
    """Rates over 5 minutes; 3 of 100 expected answers fail, and callers' errors don't count."""
    case = Case("requests of two replicas")
    seat = {"model": "m", "version": "v", "role": "stable"}
    per_minute = {"ok": 291, "invalid": 500, "refused": 6, "expired": 2, "failed": 1, "cancelled": 70}
    for outcome, rate in per_minute.items():
        for instance in range(2):
            case.counter("stillhouse_requests_total", rate, **seat, outcome=outcome, instance=instance)
        case.expect("fleet:stillhouse_requests:rate5m", 2 * rate / 60, **seat, outcome=outcome)
    case.expect("fleet:stillhouse_errors:ratio_rate5m", 9 / 300, **seat)
    # 600 answers a minute: 300 within .1 s, 294 more within .2 s, 6 beyond: the median is .1, p99 is .2.
    for le, rate in {"0.05": 0, "0.1": 300, "0.2": 594, "0.5": 600, "+Inf": 600}.items():
        case.counter("stillhouse_request_duration_seconds_bucket", rate, **seat, le=le, instance=0)
    case.expect("fleet:stillhouse_request_duration_seconds:p50_rate5m", 0.1, **seat)
    case.expect("fleet:stillhouse_request_duration_seconds:p99_rate5m", 0.2, **seat)
    routed = {"stable": (88, 0.9), "canary": (12, 0.1), "teacher": (0, 0.0)}
    for role, (rate, share) in routed.items():
        of = {"model": "m", "role": role}
        for instance in range(2):
            case.counter("stillhouse_routed_total", rate, **of, instance=instance)
            case.gauge("stillhouse_split_share_ratio", share, **of, instance=instance)
        case.expect("fleet:stillhouse_routed_share:ratio_rate5m", rate / 100, **of)
        case.expect("fleet:stillhouse_split_share:ratio", share, **of)
    for reason, rate in {"failed": 2, "breaker_open": 4}.items():
        of = {"model": "m", "version": "c", "role": "canary", "reason": reason}
        case.counter("stillhouse_fallbacks_total", rate, **of, instance=0)
    case.expect("fleet:stillhouse_fallbacks:ratio_rate5m", 6 / 24, model="m", role="canary")
    for role, rate in {"stable": 45, "canary": 5}.items():
        case.counter("stillhouse_shadow_samples_total", rate, model="m", role=role, instance=0)
    for reason, rate in {"queue_full": 30, "teacher_failed": 1}.items():
        case.counter("stillhouse_shadow_dropped_total", rate, model="m", reason=reason, instance=0)
        case.expect("fleet:stillhouse_shadow_drops:ratio_rate5m", rate / 50, model="m", reason=reason)
    return case


def main():
    cases = [
        predictions("a class has grown from .3 to .5", [[3, 4, 2, 1], [1, 6, 2, 1]], [0.4, 0.3, 0.2, 0.1], 1000),
        predictions("answers exactly as at validation", [[4, 3, 2, 1]], [0.4, 0.3, 0.2, 0.1], 1000),
        predictions("ten classes, one never answered", [[2, 2, 2, 2, 2, 2, 2, 2, 4, 0]], [0.1] * 10, 10_000),
        inputs(),
        pairs(),
        evidence(),
        requests(),
    ]
    print("# Generated by closed_form.py; change that.")
    print("rule_files: [" + ", ".join(f"../rules/{name}.yml" for name in RULES) + "]")
    print("evaluation_interval: 1m")
    print("group_eval_order: [" + ", ".join(f"stillhouse-{name}" for name in GROUPS) + "]")
    print("tests:")
    print("\n".join(case.yaml() for case in cases))


if __name__ == "__main__":
    main()
