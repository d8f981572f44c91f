//! What is to be sent, and when: phases one after the other, each with a rate or a number of callers.

mod schedule;
mod turns;

use std::{fmt, time::Duration};

use anyhow::ensure;

pub use schedule::Spacing;
pub use turns::{Arrival, Turn, Turns};

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Whether or not earlier ones are answered: so many a second, in a straight line from the phase's beginning to its end.
    Open { from: f64, to: f64 },
    /// So many callers, each of whom sends the next request when the last one is answered.
    Closed { callers: usize },
}

/// A stretch of time under one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    pub name: String,
    pub load: Load,
    pub duration: Duration,
    /// Not for a warm-up: what it shows is counted nowhere.
    pub measured: bool,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub phases: Vec<Phase>,
    pub spacing: Spacing,
    /// Of the Poisson arrivals: the same seed, the same arrivals.
    pub seed: u64,
    /// How long a request waits for a free connection before its user has gone.
    pub patience: Duration,
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
    /// Rates and durations that can't be driven.
    pub fn check(&self) -> anyhow::Result<()> {
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

    pub fn duration(&self) -> Duration {
        self.phases.iter().map(|phase| phase.duration).sum()
    }

    /// The most callers of any closed phase.
    pub fn callers(&self) -> usize {
        let callers = |phase: &Phase| match phase.load {
            Load::Closed { callers } => callers,
            Load::Open { .. } => 0,
        };
        self.phases.iter().map(callers).max().unwrap_or(0)
    }
}

/// A closed loop alone, after a warm-up.
pub fn closed(callers: usize, warmup: Duration, duration: Duration) -> Plan {
    one(Load::Closed { callers }, warmup, duration)
}

/// One load, after a warm-up by the same; constants are the caller's to replace.
pub fn one(load: Load, warmup: Duration, duration: Duration) -> Plan {
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
        patience: Duration::from_secs(10),
    }
}
