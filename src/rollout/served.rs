//! A version in its role, with the counters of what it answered.

use std::{sync::Arc, time::Instant};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{Role, breaker::Breaker};
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

impl Outcome {
    /// As it stands in labels.
    pub fn as_str(self) -> &'static str {
        OUTCOMES[self.index()].1
    }

    fn index(self) -> usize {
        OUTCOMES
            .iter()
            .position(|(outcome, _)| *outcome == self)
            .expect("every outcome is in the table")
    }

    /// Whether the version, not the client, is to blame: stable then answers for a version on trial.
    pub fn is_versions_fault(self) -> bool {
        matches!(self, Self::Refused | Self::Expired | Self::Failed)
    }
}

/// Why stable answered what another version should have.
const FALLBACKS: [&str; 4] = ["refused", "expired", "failed", "breaker_open"];

/// The metric families of requests by model, version and role.
#[derive(Clone)]
pub struct RequestMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    fallbacks: IntCounterVec,
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
            fallbacks: metrics.counters(
                "fallbacks_total",
                "Requests that the stable version answered because the version of this role could not, by why.",
                &["model", "version", "role", "reason"],
            ),
        }
    }

    /// Puts a version in a role, its handles resolved.
    pub fn seat(&self, role: Role, version: Arc<Version>) -> Seat {
        let of = [version.model.as_str(), &version.name, role.as_str()];
        let by =
            |family: &IntCounterVec, last| family.with_label_values(&[of[0], of[1], of[2], last]);
        let outcomes = OUTCOMES.map(|(_, outcome)| by(&self.requests, outcome));
        // Stable has nobody to fall back to: series that can't move would only be noise.
        let fallbacks =
            (role != Role::Stable).then(|| FALLBACKS.map(|reason| by(&self.fallbacks, reason)));
        let duration = self.duration.with_label_values(&of);
        Seat {
            role,
            version,
            outcomes,
            fallbacks,
            duration,
            breaker: Breaker::new(Instant::now()),
        }
    }

    /// Removes every series of a version that has been unloaded.
    pub fn forget(&self, model: &str, version: &str) {
        // What was never made can't be removed: that is no failure.
        for role in Role::ALL.map(Role::as_str) {
            for (_, outcome) in OUTCOMES {
                let _ = self
                    .requests
                    .remove_label_values(&[model, version, role, outcome]);
            }
            for reason in FALLBACKS {
                let _ = self
                    .fallbacks
                    .remove_label_values(&[model, version, role, reason]);
            }
            let _ = self.duration.remove_label_values(&[model, version, role]);
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
    fallbacks: Option<[IntCounter; FALLBACKS.len()]>,
    duration: Histogram,
    breaker: Breaker,
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

    /// Whether it is worth asking: a version that only fails is left alone for a while. Stable always is.
    pub fn is_worth_asking(&self, now: Instant) -> bool {
        let worth = self.role == Role::Stable || self.breaker.admits(now);
        if !worth {
            self.fell_back("breaker_open");
        }
        worth
    }

    /// Counts that stable answers for this seat.
    pub fn fell_back(&self, reason: &str) {
        let index = FALLBACKS.iter().position(|known| *known == reason);
        if let (Some(counters), Some(index)) = (&self.fallbacks, index) {
            counters[index].inc();
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
        let seat = self.seat;
        seat.outcomes[self.outcome.index()].inc();
        if self.outcome == Outcome::Ok {
            seat.duration.observe(self.started.elapsed().as_secs_f64());
            seat.breaker.succeeded();
        } else if self.outcome.is_versions_fault() {
            seat.breaker.failed(Instant::now());
        }
    }
}
