//! Scenarios: phases, orders to the admin API at their times, and what must come of it; from strict TOML.

mod event;
mod names;
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

pub use event::{Event, Order, Precondition};
pub use names::Names;
pub use shipped::{SHIPPED, find};

/// A scenario's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub about: String,
    #[serde(default = "poisson")]
    pub arrivals: Spacing,
    #[serde(default)]
    pub seed: u64,
    pub connections: usize,
    #[serde(default = "give_up_after")]
    give_up_after: Time,
    /// What stands in braces in events, and what it stands for unless the command line says otherwise.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    #[serde(default)]
    reference: Option<Reference>,
    #[serde(rename = "phase")]
    phases: Vec<Stretch>,
    #[serde(default)]
    before: Vec<Order>,
    #[serde(default, rename = "event")]
    events: Vec<Event>,
    #[serde(default)]
    after: Vec<Order>,
    #[serde(default)]
    pub slow_clients: Option<SlowClients>,
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Expectation>,
}

/// How 100 % is measured where phases are shares of it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    pub callers: usize,
    duration: Time,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stretch {
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

/// What is done with the admin API.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    pub before: Vec<Order>,
    /// In the order of their times.
    pub during: Vec<(Duration, Order)>,
    pub after: Vec<Order>,
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
    /// Unknown keys, values of the wrong kind, phases that can't be driven, names that nothing stands for.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(self.connections > 0, "connections: at least one");
        // Any reference will do: whether the phases make a plan doesn't depend on it.
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
        self.orders(&Names::new(&self.names, &[])?).map(|_| ())
    }

    pub fn reference(&self) -> Option<Reference> {
        self.reference
    }

    /// The phases as a plan; shares are of `reference` requests/s.
    pub fn plan(&self, reference: Option<f64>) -> anyhow::Result<Plan> {
        let phase = |stretch: &Stretch| {
            let load = stretch
                .load(reference)
                .with_context(|| format!("phase `{}`", stretch.name))?;
            anyhow::Ok(Phase {
                name: stretch.name.clone(),
                load,
                duration: stretch.duration.0,
                measured: stretch.measured,
            })
        };
        Ok(Plan {
            phases: self.phases.iter().map(phase).collect::<Result<_, _>>()?,
            spacing: self.arrivals,
            seed: self.seed,
            patience: self.give_up_after.0,
        })
    }

    /// The orders, with names put in.
    pub fn orders(&self, names: &Names) -> anyhow::Result<Orders> {
        let all = |orders: &[Order]| {
            orders
                .iter()
                .map(|order| order.named(names))
                .collect::<Result<Vec<_>, _>>()
        };
        let end: Duration = self.phases.iter().map(|phase| phase.duration.0).sum();
        let mut during = Vec::new();
        for event in &self.events {
            let order = event.order.named(names)?;
            for at in event.times()? {
                ensure!(
                    at < end,
                    "event `{}` at {at:?} comes after the end, at {end:?}",
                    order.name
                );
                during.push((at, order.clone()));
            }
        }
        during.sort_by_key(|(at, _)| *at);
        Ok(Orders {
            before: all(&self.before)?,
            during,
            after: all(&self.after)?,
        })
    }
}

impl Reference {
    /// A closed loop, after a quarter of its time to warm up.
    pub fn plan(self) -> Plan {
        let Time(duration) = self.duration;
        crate::plan::closed(self.callers, duration / 4, duration)
    }
}

impl Stretch {
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
