//! A model's traffic as a whole: shares as configured and as observed, generations, changes.

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
                "Requests that the split gave to a role; what a client chose by header isn't counted.",
                &["model", "role"],
            ),
            shares: metrics.real_gauges(
                "split_share_ratio",
                "Share of the requests that the split gives to a role, from 0 to 1.",
                &["model", "role"],
            ),
            generation: metrics.gauges(
                "deployment_generation",
                "Number of the deployment that answers; every change makes the next.",
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

    /// A deployment has been published; `action` is none for a server's first.
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
            // A counter that begins with its first event shows no increase.
            None => ACTIONS.iter().for_each(|action| {
                self.changes.with_label_values(&[model, action]);
            }),
        }
    }

    /// Computes what is only worth computing when somebody looks.
    pub fn refresh(&self, model: &str, deployment: &Deployment) {
        self.sample_ratio
            .with_label_values(&[model])
            .set(deployment.sample_ratio_log_e());
    }
}
