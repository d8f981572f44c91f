//! Evidence and verdicts as Prometheus sees them.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::{
    super::{
        judge::{Criteria, Metric, Verdict},
        trial::Trial,
    },
    report::{TrialReport, WealthReport, word},
};
use stillhouse_drift::sequential::STAKES;
use stillhouse_metrics::{Metrics, Scope};

const DECISIONS: [&str; 5] = ["hold", "alert", "advance", "promote", "roll_back"];
/// What a verdict may order.
const ACTIONS: [&str; 3] = ["set_split", "promote", "abort"];
/// Of [`JudgeMetrics::budgets`], what a promotion needs: it rises with each try.
const PROMOTION: usize = 4;
const TESTS: [&str; 2] = ["roll_back", "promotion"];

/// The metric families of the judge.
#[derive(Clone)]
pub struct JudgeMetrics {
    metrics: Metrics,
    log_wealth: GaugeVec,
    log_e: GaugeVec,
    mean_difference: GaugeVec,
    observations: IntGaugeVec,
    request_weighted: GaugeVec,
    teacher_runs: IntGaugeVec,
    pictures: IntGaugeVec,
    effective_sample: GaugeVec,
    lost: IntGaugeVec,
    decision: IntGaugeVec,
    orders: IntCounterVec,
    age: GaugeVec,
    soak: GaugeVec,
    budgets: [GaugeVec; 6],
}

impl JudgeMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        const OF_METRIC: &[&str] = &["model", "version", "metric"];
        let budget = |name: &str, help: &str| metrics.real_gauges(name, help, &["model"]);
        Self {
            metrics: metrics.clone(),
            log_wealth: metrics.real_gauges(
                "evidence_log_wealth",
                "Logarithm of the wealth of one stake of a test of the canary; replicas add up by stake, then the mean of their exponentials counts.",
                &["model", "version", "metric", "test", "stake"],
            ),
            log_e: metrics.real_gauges(
                "evidence_log_e",
                "Logarithm of the e-value of a test of the canary, by this replica alone.",
                &["model", "version", "metric", "test"],
            ),
            mean_difference: metrics.real_gauges(
                "evidence_mean_difference",
                "Canary less stable: share of answers for disagreement, nats for divergence.",
                OF_METRIC,
            ),
            observations: metrics.gauges(
                "evidence_observations",
                "Pairs, or seconds of live requests, that a metric of the canary rests on.",
                OF_METRIC,
            ),
            request_weighted: metrics.real_gauges(
                "evidence_request_weighted_difference",
                "Canary less stable, each pair weighted by the requests that it stands for: share of answers for disagreement, nats for divergence.",
                OF_METRIC,
            ),
            teacher_runs: metrics.gauges(
                "evidence_teacher_runs",
                "How often the teacher was run for the pairs of the canary.",
                &["model", "version"],
            ),
            pictures: metrics.gauges(
                "evidence_pictures",
                "Different pictures among the pairs of the canary, about.",
                &["model", "version"],
            ),
            effective_sample: metrics.real_gauges(
                "evidence_effective_sample",
                "As many requests of different pictures would say as much as those that the request-weighted differences rest on.",
                &["model", "version"],
            ),
            lost: metrics.gauges(
                "evidence_lost",
                "1 where evidence about the canary is missing: a restart lost it, or the teacher was changed.",
                &["model"],
            ),
            decision: metrics.gauges(
                "judge_decision",
                "1 for what the judge says of the canary now.",
                &["model", "decision"],
            ),
            orders: metrics.counters(
                "judge_orders_total",
                "What the judge has ordered and was done.",
                &["model", "action"],
            ),
            age: metrics.real_gauges(
                "rollout_age_seconds",
                "Since the canary is on trial in this process.",
                &["model"],
            ),
            soak: metrics.real_gauges(
                "rollout_soak_seconds",
                "Since the canary has its present share.",
                &["model"],
            ),
            budgets: [
                budget(
                    "judge_disagreement_margin_ratio",
                    "How much more often than stable a canary may disagree with the teacher.",
                ),
                budget(
                    "judge_divergence_margin_nats",
                    "How much further than stable a canary may be from the teacher.",
                ),
                budget(
                    "judge_divergence_clip_nats",
                    "The most that one answer's divergence counts.",
                ),
                budget(
                    "judge_roll_back_log_e",
                    "Logarithm of the e-value that rolls a canary back.",
                ),
                budget(
                    "judge_promotion_log_e",
                    "Logarithm of the e-value that every metric must reach for a promotion; it rises with each automatic try.",
                ),
                budget(
                    "judge_sample_ratio_alarm_log_e",
                    "Above it sample_ratio_log_e freezes the ramp.",
                ),
            ],
        }
    }

    /// Shows what a model's canaries are judged by.
    pub fn announce(&self, model: &str, criteria: &Criteria) {
        let values = [
            criteria.disagreement_margin,
            criteria.divergence_margin_nats,
            criteria.divergence_clip_nats,
            criteria.roll_back_log_e(),
            criteria.promotion_log_e(1),
            criteria.sample_ratio_alarm.ln(),
        ];
        for (family, value) in self.budgets.iter().zip(values) {
            family.with_label_values(&[model]).set(value);
        }
        // A counter that begins with its first event shows no increase.
        for action in ACTIONS {
            self.orders.with_label_values(&[model, action]);
        }
    }

    /// Something was ordered and done.
    pub(crate) fn ordered(&self, model: &str, action: &str) {
        self.orders.with_label_values(&[model, action]).inc();
    }

    /// For the series of one trial.
    pub(super) fn scope(&self) -> Scope {
        self.metrics.scope()
    }

    /// Shows a trial as it stands.
    pub(super) fn show(
        &self,
        series: &mut Scope,
        report: &TrialReport,
        trial: &Trial,
        verdict: &Verdict,
    ) {
        let (model, version) = (report.model.as_str(), report.canary.as_str());
        for metric in &report.metrics {
            let of = &[model, version, &metric.metric];
            let observations = series.series(&self.observations, of);
            observations.set(metric.observations as i64);
            if let (Some(estimate), Some(_)) = (metric.estimate, &metric.promotion) {
                series.series(&self.mean_difference, of).set(estimate);
            }
            if let Some(difference) = metric.request_weighted {
                series.series(&self.request_weighted, of).set(difference);
            }
            let tests = [metric.roll_back, metric.promotion];
            for (test, wealth) in TESTS.iter().zip(tests) {
                if let Some(wealth) = wealth {
                    let of = &[model, version, &metric.metric, test];
                    series.series(&self.log_e, of).set(wealth.log_e);
                }
            }
        }
        let of_canary = &[model, version];
        let runs = series.series(&self.teacher_runs, of_canary);
        runs.set(report.teacher_runs as i64);
        let pictures = series.series(&self.pictures, of_canary);
        pictures.set(report.pictures as i64);
        let effective = series.series(&self.effective_sample, of_canary);
        effective.set(report.effective_sample);
        // By class each has its own wealth, so replicas have no sum by stake.
        if let Some(wealth) = report.classes.roll_back {
            let of = &[model, version, &Metric::Classes.to_string(), TESTS[0]];
            series.series(&self.log_e, of).set(wealth.log_e);
        }
        let mut wealth = |metric: Metric, test: &str, stakes: [f64; STAKES]| {
            for (stake, log) in stakes.iter().enumerate() {
                let of = &[
                    model,
                    version,
                    &metric.to_string(),
                    test,
                    &stake.to_string(),
                ];
                series.series(&self.log_wealth, of).set(*log);
            }
        };
        for (metric, paired) in Metric::ALL.into_iter().zip(trial.paired()) {
            wealth(metric, TESTS[0], paired.roll_back().log_wealth());
            wealth(metric, TESTS[1], paired.promotion().log_wealth());
        }
        for (metric, events) in [Metric::Errors, Metric::Latency]
            .into_iter()
            .zip(trial.events())
        {
            wealth(metric, TESTS[0], events.log_wealth());
        }
        let of_anchor = [Metric::AnchorDisagreement, Metric::AnchorDivergence];
        for (metric, paired) in trial
            .anchor()
            .into_iter()
            .flat_map(|anchor| of_anchor.into_iter().zip(anchor.paired()))
        {
            wealth(metric, TESTS[1], paired.promotion().log_wealth());
        }
        let promotion = report.metrics.iter().find_map(|metric| metric.promotion);
        if let Some(WealthReport { needed_log_e, .. }) = promotion {
            self.budgets[PROMOTION]
                .with_label_values(&[model])
                .set(needed_log_e);
        }
        for decision in DECISIONS {
            let is_it = decision == word(&verdict.decision);
            let shown = series.series(&self.decision, &[model, decision]);
            shown.set(is_it.into());
        }
        let lost = series.series(&self.lost, &[model]);
        lost.set(report.evidence_lost.into());
        series.series(&self.age, &[model]).set(report.age_seconds);
        series
            .series(&self.soak, &[model])
            .set(report.soaked_seconds);
    }
}
