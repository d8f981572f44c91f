//! The load to generate: phases one after the other, each with a rate or a number of callers.

use std::{fmt, time::Duration};

use anyhow::ensure;

/// The distribution of arrival times at a given rate.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Spacing {
    /// A Poisson process, as from many independent users.
    Poisson,
    /// At equal intervals.
    Constant,
}

/// The load of one phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// Open loop: requests/s, whether or not earlier ones are answered; the rate changes linearly from the start of the
    /// phase to its end.
    Open { from: f64, to: f64 },
    /// Closed loop: concurrent callers that each send the next request when the last one is answered.
    Closed { callers: usize },
}

/// A period with one load.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Phase {
    pub name: String,
    pub load: Load,
    pub duration: Duration,
    /// False for a warm-up, which isn't reported.
    pub measured: bool,
}

/// The load of a whole run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub phases: Vec<Phase>,
    pub spacing: Spacing,
    /// Seed of the Poisson arrivals; the same seed gives the same arrivals.
    pub seed: u64,
    /// How long a request waits for a free connection before it counts as failed.
    pub max_wait: Duration,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Open { from, to } if from == to => write!(f, "{from:.0}/s"),
            Self::Open { from, to } => write!(f, "{from:.0} to {to:.0}/s"),
            Self::Closed { callers } => write!(f, "{callers} callers"),
        }
    }
}

impl Plan {
    /// # Errors
    /// Rates and durations that can't be generated.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.phases.iter().any(|phase| phase.measured),
            "no phase is measured"
        );
        for phase in &self.phases {
            let name = &phase.name;
            ensure!(!phase.duration.is_zero(), "phase `{name}` lasts no time");
            match phase.load {
                Load::Closed { callers } => ensure!(callers > 0, "phase `{name}` has no callers"),
                Load::Open { from, to } => ensure!(
                    [from, to].iter().all(|rate| (0.0..=1e7).contains(rate)) && from + to > 0.0,
                    "phase `{name}`: {from} to {to} requests/s can't be sent"
                ),
            }
        }
        Ok(())
    }

    pub(crate) fn duration(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }

    /// The largest number of callers of any closed-loop phase.
    pub(crate) fn callers(&self) -> usize {
        let callers = |phase: &Phase| match phase.load {
            Load::Closed { callers } => callers,
            Load::Open { .. } => 0,
        };
        self.phases.iter().map(callers).max().unwrap_or(0)
    }
}

/// A closed loop, after a warm-up.
pub(crate) fn closed(callers: usize, warmup: Duration, duration: Duration) -> Plan {
    one(Load::Closed { callers }, warmup, duration)
}

/// One load after a warm-up with the same load, with defaults for the other fields.
pub(crate) fn one(load: Load, warmup: Duration, duration: Duration) -> Plan {
    let phase = |name: &str, duration, measured| Phase {
        name: name.into(),
        load,
        duration,
        measured,
    };
    let warmup = (!warmup.is_zero()).then(|| phase("warm-up", warmup, false));
    Plan {
        phases: warmup
            .into_iter()
            .chain([phase("load", duration, true)])
            .collect(),
        spacing: Spacing::Poisson,
        seed: 0,
        max_wait: Duration::from_secs(10),
    }
}
