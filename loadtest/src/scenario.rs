//! Scenario files (TOML, unknown keys are errors): phases of load, requests to the admin API at given times, expectations.

mod names;
mod request;
mod shipped;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::{
    expect::Expectation,
    generator::SlowClients,
    plan::{Load, Phase, Plan, Spacing},
    quantity::{Share, Time},
};

pub(crate) use names::Names;
pub(crate) use request::{AdminRequest, Event, Precondition};
pub(crate) use shipped::{SHIPPED, find};

/// A scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// One sentence about what the scenario shows.
    pub about: String,
    #[serde(default = "poisson")]
    pub arrivals: Spacing,
    #[serde(default)]
    pub seed: u64,
    pub connections: usize,
    #[serde(default = "give_up_after")]
    give_up_after: Time,
    /// Default values of the placeholders in braces, which the command line can replace.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    #[serde(default)]
    reference: Option<Reference>,
    #[serde(rename = "phase")]
    phases: Vec<PhaseConfig>,
    #[serde(default)]
    before: Vec<AdminRequest>,
    #[serde(default, rename = "event")]
    events: Vec<Event>,
    #[serde(default)]
    after: Vec<AdminRequest>,
    #[serde(default)]
    pub slow_clients: Option<SlowClients>,
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
}

/// How to measure the rate that counts as 100 % for phases given as shares.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    pub callers: usize,
    duration: Time,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhaseConfig {
    name: String,
    duration: Time,
    #[serde(default = "yes")]
    measured: bool,
    rate: Option<f64>,
    to_rate: Option<f64>,
    share: Option<Share>,
    to_share: Option<Share>,
    callers: Option<usize>,
}

/// The requests to the admin API, with placeholders replaced.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdminRequests {
    pub before: Vec<AdminRequest>,
    /// In order of time since the start of the run.
    pub during: Vec<(Duration, AdminRequest)>,
    pub after: Vec<AdminRequest>,
}

fn poisson() -> Spacing {
    Spacing::Poisson
}

fn give_up_after() -> Time {
    Time(Duration::from_secs(10))
}

fn yes() -> bool {
    true
}

impl Scenario {
    /// # Errors
    /// Unknown keys, values of the wrong type, phases that can't be generated, placeholders without a value.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.connections > 0, "connections: at least one");
        // Whether the phases are valid doesn't depend on the reference rate, so any value will do.
        self.plan(Some(1000.0))?.check()?;
        let phases: Vec<&str> = self
            .phases
            .iter()
            .map(|phase| phase.name.as_str())
            .collect();
        for (index, name) in phases.iter().enumerate() {
            ensure!(
                !phases[..index].contains(name),
                "two phases have the name `{name}`"
            );
        }
        let expected = self
            .expectations
            .iter()
            .filter_map(|one| one.phase.as_ref());
        let compared = self
            .expectations
            .iter()
            .filter_map(|one| one.p99_over.as_ref().map(|over| &over.phase));
        for name in expected.chain(compared) {
            let measured = self
                .phases
                .iter()
                .any(|phase| phase.name == *name && phase.measured);
            ensure!(
                measured,
                "[[expect]]: no measured phase `{name}`; there are: {}",
                phases.join(", ")
            );
        }
        let goodput = self.expectations.iter().any(|one| one.goodput.is_some());
        ensure!(
            self.reference.is_some()
                || !(goodput || self.phases.iter().any(|phase| phase.share.is_some())),
            "shares need a [reference]"
        );
        if let Some(slow) = &self.slow_clients {
            ensure!(
                slow.bytes_per_second > 0.0,
                "slow_clients: bytes_per_second must be above 0"
            );
        }
        self.admin_requests(&Names::new(&self.names, &[])?)
            .map(|_| ())
    }

    pub(crate) fn reference(&self) -> Option<Reference> {
        self.reference
    }

    /// The phases as a plan; shares refer to `reference` requests/s.
    pub(crate) fn plan(&self, reference: Option<f64>) -> anyhow::Result<Plan> {
        let phase = |phase: &PhaseConfig| {
            let load = phase
                .load(reference)
                .with_context(|| format!("phase `{}`", phase.name))?;
            anyhow::Ok(Phase {
                name: phase.name.clone(),
                load,
                duration: phase.duration.0,
                measured: phase.measured,
            })
        };
        Ok(Plan {
            phases: self.phases.iter().map(phase).collect::<Result<_, _>>()?,
            spacing: self.arrivals,
            seed: self.seed,
            max_wait: self.give_up_after.0,
        })
    }

    /// The requests to the admin API, with placeholders replaced.
    pub(crate) fn admin_requests(&self, names: &Names) -> anyhow::Result<AdminRequests> {
        let all = |requests: &[AdminRequest]| {
            requests
                .iter()
                .map(|request| request.with_names(names))
                .collect::<Result<Vec<_>, _>>()
        };
        let end: Duration = self.phases.iter().map(|phase| phase.duration.0).sum();
        let mut during = Vec::new();
        for event in &self.events {
            let request = event.request.with_names(names)?;
            for at in event.times()? {
                ensure!(
                    at < end,
                    "event `{}` at {at:?} comes after the end, at {end:?}",
                    request.name
                );
                during.push((at, request.clone()));
            }
        }
        during.sort_by_key(|(at, _)| *at);
        Ok(AdminRequests {
            before: all(&self.before)?,
            during,
            after: all(&self.after)?,
        })
    }
}

impl Reference {
    /// A closed loop, after a warm-up of a quarter of its duration.
    pub(crate) fn plan(self) -> Plan {
        let Time(duration) = self.duration;
        crate::plan::closed(self.callers, duration / 4, duration)
    }
}

impl PhaseConfig {
    fn load(&self, reference: Option<f64>) -> anyhow::Result<Load> {
        let of = |share: Share| {
            reference
                .map(|reference| share.0 * reference)
                .context("a share needs a reference")
        };
        match (self.rate, self.share, self.callers) {
            (Some(from), None, None) if self.to_share.is_none() => Ok(Load::Open {
                from,
                to: self.to_rate.unwrap_or(from),
            }),
            (None, Some(share), None) if self.to_rate.is_none() => Ok(Load::Open {
                from: of(share)?,
                to: of(self.to_share.unwrap_or(share))?,
            }),
            (None, None, Some(callers)) if self.to_rate.is_none() && self.to_share.is_none() => {
                Ok(Load::Closed { callers })
            }
            _ => bail!(
                "give one of `rate` (with `to_rate`), `share` (with `to_share`), or `callers`"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
