//! The report of each phase.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::curve::curve;
use crate::{
    expect::{MeasuredPhase, quantile},
    generator::RunResult,
    plan::{Load, Phase, Plan},
    tally::{PhaseTally, Reason},
};

/// If the generator's lateness exceeds this share of a percentile, that percentile isn't due to the server alone.
const DISTORTED: f64 = 0.2;

/// One phase.
#[derive(Debug, Serialize)]
pub(crate) struct PhaseReport {
    pub name: String,
    pub load: String,
    pub open: bool,
    pub measured: bool,
    pub seconds: f64,
    pub offered: u64,
    pub offered_per_second: f64,
    pub answered: u64,
    pub answered_per_second: f64,
    pub refused: u64,
    pub failed: u64,
    pub never_sent: u64,
    /// From when a request was due until its whole answer was received.
    pub latency_ms: Option<Percentiles>,
    pub refusal_ms: Option<Percentiles>,
    /// How late the generator itself sent requests.
    pub generator_late_ms: Option<Percentiles>,
    pub reasons: Vec<ReasonReport>,
    /// Latency by percentile, for the plot (see `curve`).
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    pub max: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReasonReport {
    pub reason: String,
    pub count: u64,
    pub example: String,
}

/// The measured phases, for comparison with expectations.
pub(crate) fn measured<'a>(plan: &'a Plan, ran: &'a RunResult) -> Vec<MeasuredPhase<'a>> {
    begun(plan, ran)
        .filter(|(phase, ..)| phase.measured)
        .map(|(phase, tally, seconds)| MeasuredPhase {
            name: &phase.name,
            seconds,
            tally,
        })
        .collect()
}

/// The phases that began, with their durations in seconds; the last one is shorter if the run was interrupted.
fn begun<'a>(
    plan: &'a Plan,
    ran: &'a RunResult,
) -> impl Iterator<Item = (&'a Phase, &'a PhaseTally, f64)> {
    let end = if ran.interrupted {
        ran.generator.wall_seconds
    } else {
        f64::INFINITY
    };
    let mut begin = 0.0;
    let phases = plan.phases.iter().zip(&ran.tally.phases);
    phases.filter_map(move |(phase, tally)| {
        let duration = phase.duration.as_secs_f64();
        let seconds = duration.min(end - begin);
        begin += duration;
        (seconds > 0.0).then_some((phase, tally, seconds))
    })
}

pub(super) fn phases(plan: &Plan, ran: &RunResult) -> Vec<PhaseReport> {
    let report = |(phase, tally, seconds): (&Phase, &PhaseTally, f64)| PhaseReport {
        name: phase.name.clone(),
        load: phase.load.to_string(),
        open: matches!(phase.load, Load::Open { .. }),
        measured: phase.measured,
        seconds,
        offered: tally.offered(),
        offered_per_second: tally.offered() as f64 / seconds,
        answered: tally.answered.len(),
        answered_per_second: tally.answered.len() as f64 / seconds,
        refused: tally.refused.len(),
        failed: tally.failed,
        never_sent: tally.given_up,
        latency_ms: percentiles(&tally.answered),
        refusal_ms: percentiles(&tally.refused),
        generator_late_ms: percentiles(&tally.lateness),
        reasons: tally
            .reasons
            .sorted()
            .into_iter()
            .map(ReasonReport::from)
            .collect(),
        curve: curve(&tally.answered),
    };
    begun(plan, ran).map(report).collect()
}

impl From<Reason> for ReasonReport {
    fn from(reason: Reason) -> Self {
        Self {
            reason: reason.to_string(),
            count: reason.count,
            example: reason.example,
        }
    }
}

/// Percentiles in milliseconds of latencies in nanoseconds; `None` if there are none.
pub(super) fn percentiles(latencies: &Histogram<u64>) -> Option<Percentiles> {
    let at = |share| Some(quantile(latencies, share)?.as_secs_f64() * 1e3);
    Some(Percentiles {
        p50: at(0.5)?,
        p90: at(0.9)?,
        p99: at(0.99)?,
        p99_9: at(0.999)?,
        max: at(1.0)?,
        mean: latencies.mean() * 1e-6,
    })
}

impl Percentiles {
    /// The percentiles with their names, without the mean.
    pub(crate) fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p99_9),
            ("max", self.max),
        ]
    }

    /// The names of the percentiles that `late`, the generator's lateness, makes up a large share of.
    pub(crate) fn distorted_by(&self, late: &Self) -> Vec<&'static str> {
        let pairs = self.named().into_iter().zip(late.named());
        pairs
            .filter(|((_, all), (_, late))| *late > all * DISTORTED)
            .map(|((name, _), _)| name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_distorted_by_the_generator_are_named() {
        let flat = |ms| Percentiles {
            mean: ms,
            p50: ms,
            p90: ms,
            p99: ms,
            p99_9: ms,
            max: ms,
        };
        let latency = Percentiles {
            p99_9: 100.0,
            max: 500.0,
            ..flat(10.0)
        };
        let late = Percentiles {
            p99_9: 30.0,
            max: 99.0,
            ..flat(1.9)
        };
        assert_eq!(latency.distorted_by(&late), ["p99.9"]);
        assert_eq!(latency.distorted_by(&flat(0.1)), [""; 0]);
    }
}
