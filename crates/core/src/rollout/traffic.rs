//! A model's whole traffic: configured and observed shares, generations, changes.

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec};

use super::{Deployment, Role, change::ACTIONS};
use stillhouse_metrics::Metrics;

/// The metric families by model and role.
#[derive(Clone)]
pub struct TrafficMetrics {
    routed: IntCounterVec,
    shares: GaugeVec,
    generation: IntGaugeVec,
    changes: IntCounterVec,
    sample_ratio: GaugeVec,
}

impl TrafficMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            routed: metrics.counters(
                "routed_total",
                "Requests that the split sent to a role; roles that a client chose by header aren't counted.",
                &["model", "role"],
            ),
            shares: metrics.real_gauges(
                "split_share_ratio",
                "Share of the requests that the split sends to a role, from 0 to 1.",
                &["model", "role"],
            ),
            generation: metrics.gauges(
                "deployment_generation",
                "Generation of the current deployment; every change increases it.",
                &["model"],
            ),
            changes: metrics.counters(
                "deployment_changes_total",
                "Deployments published since the start, by the action that made them.",
                &["model", "action"],
            ),
            sample_ratio: metrics.real_gauges(
                "sample_ratio_log_e",
                "Logarithm of the evidence that the roles don't get their shares; alarm above ln 1000 = 6.9.",
                &["model"],
            ),
        }
    }

    /// In the order of [`Role::ALL`].
    pub(super) fn routed(&self, model: &str) -> [IntCounter; 3] {
        Role::ALL.map(|role| self.routed.with_label_values(&[model, role.as_str()]))
    }

    /// Records that a deployment was published; `action` is none for a server's first.
    pub fn published(&self, model: &str, deployment: &Deployment, action: Option<&str>) {
        for role in Role::ALL {
            let share = deployment.assignment.split.of(role);
            self.shares
                .with_label_values(&[model, role.as_str()])
                .set(share.ratio());
        }
        let generation = deployment.assignment.generation as i64;
        self.generation.with_label_values(&[model]).set(generation);
        match action {
            Some(action) => self.changes.with_label_values(&[model, action]).inc(),
            // A counter that starts with its first event shows no increase.
            None => ACTIONS.iter().for_each(|action| {
                self.changes.with_label_values(&[model, action]);
            }),
        }
    }

    /// Computes the gauges that are only needed when the metrics are read.
    pub fn refresh(&self, model: &str, deployment: &Deployment) {
        self.sample_ratio
            .with_label_values(&[model])
            .set(deployment.sample_ratio_log_e());
    }
}
