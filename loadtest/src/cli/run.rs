//! The subcommand `run`: one load.

use clap::Args;

use super::{ArrivalArgs, LimitArgs, OutputArgs, target_args::TargetArgs};
use crate::{
    expect::{Slo, judge},
    generator,
    plan::{self, Load, Plan},
    quantity::Time,
    report::{self, Report},
};

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("load").required(true)))]
pub(super) struct Run {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    arrivals: ArrivalArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Requests per second, sent whether or not earlier ones are answered (open loop).
    #[arg(long, group = "load")]
    rate: Option<f64>,
    /// The rate at the end, to change the rate linearly.
    #[arg(long, requires = "rate")]
    to_rate: Option<f64>,
    /// Concurrent callers that each wait for a response before they send again (closed loop). A server that stalls receives
    /// less load then, so use this for throughput, not for latency.
    #[arg(long, group = "load")]
    callers: Option<usize>,
    /// Number of connections; by default 64, or with --callers as many as they need.
    #[arg(long)]
    connections: Option<usize>,
    /// Measured time.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    duration: Time,
    /// Latency objective, such as p99=20ms or p50=5ms,p99.9=100ms.
    #[arg(long, value_name = "OBJECTIVE")]
    slo: Option<Slo>,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<bool> {
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
            spacing: self.arrivals.spacing,
            seed: self.arrivals.seed,
            max_wait: self.arrivals.give_up_after.0,
            ..plan::one(load, self.arrivals.warmup.0, self.duration.0)
        };
        // The warm-up before a ramp has the rate at which the ramp starts.
        if let (Load::Open { from, .. }, [warmup, _]) = (load, &mut plan.phases[..]) {
            warmup.load = Load::Open { from, to: from };
        }
        plan.check()?;
        let needed = plan.callers().div_ceil(self.target.streams());
        let connections = match load {
            Load::Open { .. } => self.connections.unwrap_or(64),
            Load::Closed { .. } => self.connections.unwrap_or(needed),
        };
        anyhow::ensure!(
            connections >= needed,
            "{} callers need {needed} connections",
            plan.callers()
        );
        let job = self.target.job(connections)?;
        let (ran, ()) = generator::run(&job, &plan, |_, _| ())?;
        let checks = judge(
            &[self.limits.expectation(self.slo)],
            &report::measured(&plan, &ran),
            None,
        );
        let report = Report::new(&job, &plan, &ran, checks, self.target.wrong_labels());
        self.output.print(&report)?;
        Ok(report.passed)
    }
}
