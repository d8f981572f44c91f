//! A seat: a version in its role, with the metrics of its answers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::{
    Role, Task,
    breaker::Breaker,
    live::{Counts, Failure, Live},
};
use crate::{
    pair_series::{PairMetrics, PairSeries},
    version::Version,
};
use stillhouse_metrics::{Classes, ENTROPY_NATS, LATENCY_SECONDS, Metrics, PROBABILITY};

/// How a request to a version ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a prediction.
    Ok,
    /// By the client's fault, e.g. an unreadable picture.
    Invalid,
    /// The queue was full.
    Refused,
    /// The deadline passed.
    Expired,
    /// A deadline passed that the client chose, or that left the version less time than the configuration gives.
    ClientExpired,
    /// The engine failed.
    Failed,
    /// The client left before its answer.
    Cancelled,
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Ok, "ok"),
    (Outcome::Invalid, "invalid"),
    (Outcome::Refused, "refused"),
    (Outcome::Expired, "expired"),
    (Outcome::ClientExpired, "client_expired"),
    (Outcome::Failed, "failed"),
    (Outcome::Cancelled, "cancelled"),
];

impl Outcome {
    /// Its name in labels.
    pub fn as_str(self) -> &'static str {
        OUTCOMES[self.index()].1
    }

    fn index(self) -> usize {
        OUTCOMES
            .iter()
            .position(|(outcome, _)| *outcome == self)
            .expect("every outcome is in the table")
    }

    /// Whether stable may be able to answer when another version could not: the input is not the reason.
    pub fn is_worth_a_fallback(self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Expired | Self::ClientExpired | Self::Failed
        )
    }
}

/// Why stable answered what another version should have.
const FALLBACKS: [&str; 5] = [
    "refused",
    "expired",
    "client_expired",
    "failed",
    "breaker_open",
];

/// Where an answer that isn't finite was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a caller's request.
    Live,
    /// In a shadow.
    Shadow,
}

impl Source {
    const ALL: [Self; 2] = [Self::Live, Self::Shadow];

    fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
        }
    }
}

/// The metric families of requests by model, version and role.
#[derive(Clone)]
pub struct RequestMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    fallbacks: IntCounterVec,
    predictions: IntCounterVec,
    labels: IntCounterVec,
    top1_probability: HistogramVec,
    entropy: HistogramVec,
    non_finite: IntCounterVec,
    pairs: PairMetrics,
}

impl RequestMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            pairs: PairMetrics::new(metrics),
            requests: metrics.counters(
                "requests_total",
                "Pictures that reached a version, by outcome.",
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
            predictions: metrics.counters(
                "predictions_total",
                "Answers by their top class; classes beyond shadow.max_classes are counted as `other`.",
                &["model", "version", "role", "class"],
            ),
            labels: metrics.counters(
                "labels_total",
                "Of independent scores, answers in which a class reached its threshold; classes as in predictions_total.",
                &["model", "version", "role", "class"],
            ),
            top1_probability: metrics.histograms(
                "top1_probability",
                "Probability of an answer's top class.",
                &["model", "version", "role"],
                PROBABILITY,
            ),
            entropy: metrics.histograms(
                "entropy_nats",
                "Entropy of an answer: 0 is certain, ln K a guess among K classes; of independent scores summed over the classes, K ln 2 at most.",
                &["model", "version", "role"],
                ENTROPY_NATS,
            ),
            non_finite: metrics.counters(
                "non_finite_total",
                "Answers with NaN or infinity in them, in callers' requests and in shadows.",
                &["model", "version", "role", "source"],
            ),
        }
    }

    /// Puts a version into a role and creates its handles. The series end with the version, not with the seat.
    pub fn seat(&self, role: Role, version: Arc<Version>, task: &Task) -> Seat {
        let classes = &task.classes;
        let expected = version.expected(classes);
        let mut series = version.series();
        let of = [version.model.as_str(), &version.name, role.as_str()];
        let mut by =
            |family: &IntCounterVec, last| series.series(family, &[of[0], of[1], of[2], last]);
        let outcomes = OUTCOMES.map(|(_, outcome)| by(&self.requests, outcome));
        // Stable has no fallback: series that can't move would only be noise.
        let fallbacks =
            (role != Role::Stable).then(|| FALLBACKS.map(|reason| by(&self.fallbacks, reason)));
        let predictions = classes.names().map(|class| by(&self.predictions, class));
        let predictions = predictions.collect();
        let labels = version.thresholds.as_ref().map(|thresholds| Labels {
            thresholds: thresholds.clone(),
            counters: classes
                .names()
                .map(|class| by(&self.labels, class))
                .collect(),
        });
        let non_finite = Source::ALL.map(|source| by(&self.non_finite, source.as_str()));
        let duration = series.series(&self.duration, &of);
        let top1_probability = series.series(&self.top1_probability, &of);
        let entropy = series.series(&self.entropy, &of);
        // The teacher isn't compared with another version; stable is watched for as long as it is stable.
        let beside_teacher = (role != Role::Teacher).then(|| {
            let with_detectors = role == Role::Stable;
            let clip_nats = task.clip_nats;
            self.pairs.resolve(
                of,
                &mut series,
                classes,
                expected,
                clip_nats,
                with_detectors,
            )
        });
        drop(series);
        Seat {
            role,
            version,
            outcomes,
            fallbacks,
            duration,
            classes: classes.clone(),
            predictions,
            labels,
            top1_probability,
            entropy,
            non_finite,
            beside_teacher,
            live: Live::new(),
            breaker: Breaker::new(Instant::now()),
        }
    }
}

/// Which labels apply, of independent scores.
struct Labels {
    thresholds: Box<[f32]>,
    /// By class name.
    counters: Vec<IntCounter>,
}

/// A seat: a version in its role, with its metrics.
pub struct Seat {
    /// The role.
    pub role: Role,
    /// The version in that role.
    pub version: Arc<Version>,
    outcomes: [IntCounter; OUTCOMES.len()],
    fallbacks: Option<[IntCounter; FALLBACKS.len()]>,
    duration: Histogram,
    classes: Classes,
    predictions: Vec<IntCounter>,
    labels: Option<Labels>,
    top1_probability: Histogram,
    entropy: Histogram,
    non_finite: [IntCounter; Source::ALL.len()],
    beside_teacher: Option<PairSeries>,
    live: Live,
    breaker: Breaker,
}

impl Seat {
    /// Starts to count one picture; its outcome is [`Outcome::Cancelled`] unless [`Attempt::end`] is called.
    pub fn attempt(&self) -> Attempt<'_> {
        Attempt {
            seat: self,
            started: Instant::now(),
            outcome: Outcome::Cancelled,
        }
    }

    /// Whether to send a request: a version that only fails gets none for a while. Stable always gets them.
    pub fn is_worth_asking(&self, now: Instant) -> bool {
        let worth = self.role == Role::Stable || self.breaker.admits(now);
        if !worth {
            self.fell_back("breaker_open");
        }
        worth
    }

    /// Counts an answer, `[classes]`: its top class (of equals the first) and how certain it is.
    pub fn answered(&self, probabilities: &[f32]) {
        let (mut class, mut top1) = (0, f32::NEG_INFINITY);
        for (index, probability) in probabilities.iter().enumerate() {
            if *probability > top1 {
                (class, top1) = (index, *probability);
            }
        }
        self.predictions[self.classes.place(class)].inc();
        self.top1_probability.observe(top1.into());
        let term = |p: f32| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let entropy: f32 = match &self.labels {
            None => probabilities.iter().map(|p| term(*p)).sum(),
            Some(Labels {
                thresholds,
                counters,
            }) => {
                let applying = probabilities.iter().zip(thresholds).enumerate();
                for (class, _) in applying.filter(|(_, (p, threshold))| p >= threshold) {
                    counters[self.classes.place(class)].inc();
                }
                probabilities
                    .iter()
                    .map(|p| term(*p) + term(1.0 - *p))
                    .sum()
            }
        };
        self.entropy.observe(entropy.max(0.0).into());
    }

    /// Counts an answer that isn't finite.
    pub fn not_finite(&self, source: Source) {
        self.non_finite[source as usize].inc();
    }

    /// Evidence for the judge: this version answered a request that the split sent to this seat, with this latency.
    pub fn answered_live(&self, took: Duration) {
        self.live.answered(took);
    }

    /// Evidence for the judge: this version failed a request that the split sent to this seat, and not by the caller's
    /// fault. Each `caller` counts once while it is remembered.
    pub fn failed_live(&self, caller: u64, failure: Failure) {
        self.live.failed(caller, failure);
    }

    /// Whether no failure of this `caller` was counted lately, live or in a shadow; this one is from now on.
    pub fn is_first_failure(&self, caller: u64) -> bool {
        self.live.is_first_failure(caller)
    }

    /// After several failures without a success in between, requests are not sent to this version for a while; stable
    /// answers them.
    pub fn spare_callers(&self, now: Instant) {
        self.breaker.failed(now);
    }

    /// Answers so far, by class name.
    pub fn predictions(&self) -> impl Iterator<Item = u64> {
        self.predictions.iter().map(IntCounter::get)
    }

    /// Of independent scores: answers so far in which a class reached its threshold, by class name.
    pub fn labels(&self) -> impl Iterator<Item = u64> {
        let counters = self.labels.iter().flat_map(|labels| &labels.counters);
        counters.map(IntCounter::get)
    }

    /// The counters of its pairs; none for the teacher itself.
    pub fn beside_teacher(&self) -> Option<&PairSeries> {
        self.beside_teacher.as_ref()
    }

    /// The class names in the metrics.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The results of the split's requests so far.
    pub fn live(&self) -> Counts {
        self.live.read()
    }

    /// Counts that stable answers instead of this seat.
    pub fn fell_back(&self, reason: &str) {
        let index = FALLBACKS.iter().position(|known| *known == reason);
        if let (Some(counters), Some(index)) = (&self.fallbacks, index) {
            counters[index].inc();
        }
    }
}

/// One picture in progress; counted when dropped, so that a client that leaves is counted as well.
pub struct Attempt<'a> {
    seat: &'a Seat,
    started: Instant,
    outcome: Outcome,
}

impl Attempt<'_> {
    /// Ends it with this outcome.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let seat = self.seat;
        seat.outcomes[self.outcome.index()].inc();
        if self.outcome == Outcome::Ok {
            let took = self.started.elapsed();
            seat.duration.observe(took.as_secs_f64());
            seat.breaker.succeeded();
        }
    }
}
