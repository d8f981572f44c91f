//! One load.

use clap::Args;

use super::{Output, Pacing, Wanted, aim::Aim};
use crate::{
    expect::{Slo, judge},
    generator,
    plan::{self, Load, Plan},
    quantity::Time,
    report::{self, Report},
};

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("load").required(true)))]
pub struct Run {
    #[command(flatten)]
    aim: Aim,
    #[command(flatten)]
    pacing: Pacing,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    output: Output,
    /// Requests a second, whether or not earlier ones are answered (open loop).
    #[arg(long, group = "load")]
    rate: Option<f64>,
    /// The rate at the end, where it is to change in a straight line.
    #[arg(long, requires = "rate")]
    to_rate: Option<f64>,
    /// Callers who each wait for an answer before they ask again (closed loop): a server that stands still then meets less
    /// load, so don't read latencies from it.
    #[arg(long, group = "load")]
    callers: Option<usize>,
    /// Connections; with --callers as many as they need.
    #[arg(long)]
    connections: Option<usize>,
    /// Time that is measured.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    duration: Time,
    /// Latencies that must not be exceeded, such as p99=20ms or p50=5ms,p99.9=100ms.
    #[arg(long, value_name = "OBJECTIVE")]
    slo: Option<Slo>,
}

impl Run {
    pub fn run(self) -> anyhow::Result<bool> {
        let load = match (self.rate, self.callers) {
            (Some(from), _) => Load::Open {
                from,
                to: self.to_rate.unwrap_or(from),
            },
            (None, callers) => Load::Closed {
                callers: callers.unwrap_or_default(),
            },
        };
        let mut plan = Plan {
            spacing: self.pacing.arrivals,
            seed: self.pacing.seed,
            patience: self.pacing.give_up_after.0,
            ..plan::one(load, self.pacing.warmup.0, self.duration.0)
        };
        // Before a ramp it warms up where that begins.
        if let (Load::Open { from, .. }, [warmup, _]) = (load, &mut plan.phases[..]) {
            warmup.load = Load::Open { from, to: from };
        }
        plan.check()?;
        let needed = plan.callers().div_ceil(self.aim.streams());
        let connections = match load {
            Load::Open { .. } => self.connections.unwrap_or(64),
            Load::Closed { .. } => self.connections.unwrap_or(needed),
        };
        anyhow::ensure!(
            connections >= needed,
            "{} callers need {needed} connections",
            plan.callers()
        );
        let job = self.aim.job(connections)?;
        let (ran, ()) = generator::run(&job, &plan, |_, _| ())?;
        let verdicts = judge(
            &[self.wanted.expectation(self.slo)],
            &report::measured(&plan, &ran),
            None,
        );
        let report = Report::new(&job, &plan, &ran, verdicts, self.aim.wrong_labels());
        self.output.tell(&report)?;
        Ok(report.passed)
    }
}
