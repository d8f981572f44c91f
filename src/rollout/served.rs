//! A version in its role, with the counters of what it answered.

use std::{sync::Arc, time::Instant};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::Role;
use crate::{
    metrics::{LATENCY_SECONDS, Metrics},
    version::Version,
};

/// How a request to a version ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a prediction.
    Ok,
    /// The client's fault: an unreadable picture, say.
    Invalid,
    /// The queue was full.
    Refused,
    /// The deadline passed.
    Expired,
    /// The engine failed.
    Failed,
    /// The client left before its answer.
    Cancelled,
}

const OUTCOMES: [(Outcome, &str); 6] = [
    (Outcome::Ok, "ok"),
    (Outcome::Invalid, "invalid"),
    (Outcome::Refused, "refused"),
    (Outcome::Expired, "expired"),
    (Outcome::Failed, "failed"),
    (Outcome::Cancelled, "cancelled"),
];

/// The metric families of requests by model, version and role.
#[derive(Clone)]
pub struct RequestMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
}

impl RequestMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            requests: metrics.counters(
                "requests_total",
                "Pictures that reached a version, by how they ended.",
                &["model", "version", "role", "outcome"],
            ),
            duration: metrics.histograms(
                "request_duration_seconds",
                "From the routing of a picture to its prediction, decoding included; predictions only.",
                &["model", "version", "role"],
                LATENCY_SECONDS,
            ),
        }
    }

    /// Puts a version in a role, its handles resolved.
    pub fn seat(&self, role: Role, version: Arc<Version>) -> Seat {
        let of = [version.model.as_str(), &version.name, role.as_str()];
        let outcomes = OUTCOMES.map(|(_, outcome)| {
            self.requests
                .with_label_values(&[of[0], of[1], of[2], outcome])
        });
        let duration = self.duration.with_label_values(&of);
        Seat {
            role,
            version,
            outcomes,
            duration,
        }
    }
}

/// A version in a role.
pub struct Seat {
    /// The role.
    pub role: Role,
    /// The version that fills it.
    pub version: Arc<Version>,
    outcomes: [IntCounter; OUTCOMES.len()],
    duration: Histogram,
}

impl Seat {
    /// Begins to count one picture; it ends as [`Outcome::Cancelled`] unless told otherwise.
    pub fn attempt(&self) -> Attempt<'_> {
        Attempt {
            seat: self,
            started: Instant::now(),
            outcome: Outcome::Cancelled,
        }
    }
}

/// One picture on its way; counted when dropped, so that a client that leaves is counted as well.
pub struct Attempt<'a> {
    seat: &'a Seat,
    started: Instant,
    outcome: Outcome,
}

impl Attempt<'_> {
    /// Says how it ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let index = OUTCOMES
            .iter()
            .position(|(outcome, _)| *outcome == self.outcome)
            .expect("every outcome is in the table");
        self.seat.outcomes[index].inc();
        if self.outcome == Outcome::Ok {
            self.seat
                .duration
                .observe(self.started.elapsed().as_secs_f64());
        }
    }
}
