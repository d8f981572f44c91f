//! The command line: arguments become a job and a plan.

mod run;
mod scenario;
mod target_args;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::{
    expect::{Expectation, Slo},
    find_max::{self, SearchSettings},
    plan::Spacing,
    quantity::{Share, Time},
    report::{Report, plot},
};

use target_args::TargetArgs;

/// An open-loop load tester for Stillhouse. Latency counts from when a request was due, answers are checked, and the
/// generator reports its own lateness. Exit code 1: an expectation was not met.
#[derive(Debug, Parser)]
#[command(name = "stillhouse-loadtest", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send one load: a rate (open loop) or concurrent callers (closed loop).
    Run(run::Run),
    /// Find the highest rate that meets a latency objective.
    FindMax(FindMax),
    /// Run a scenario: phases of load, requests to the admin API, expectations.
    Scenario(scenario::PlayArgs),
    /// List the built-in scenarios.
    Scenarios,
}

/// Arguments about the arrival of requests.
#[derive(Debug, Args)]
struct ArrivalArgs {
    /// The distribution of arrival times at a given rate.
    #[arg(
        long = "arrivals",
        value_enum,
        default_value = "poisson",
        value_name = "ARRIVALS"
    )]
    spacing: Spacing,
    /// Seed of the Poisson arrivals; the same seed gives the same arrivals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How long a request waits for a free connection before it counts as failed.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    give_up_after: Time,
    /// Time at the same load before the measurement starts.
    #[arg(long, default_value = "2s", value_name = "TIME")]
    warmup: Time,
}

/// Limits of failures and refusals.
#[derive(Debug, Args)]
struct LimitArgs {
    /// The largest allowed share of failed requests.
    #[arg(long, default_value = "0%", value_name = "SHARE")]
    failed: Share,
    /// The largest allowed share of refused requests (503, 429).
    #[arg(long, default_value = "0%", value_name = "SHARE")]
    refused: Share,
}

impl LimitArgs {
    fn expectation(&self, slo: Option<Slo>) -> Expectation {
        Expectation {
            slo: slo.unwrap_or_default(),
            failed: self.failed,
            refused: self.refused,
            ..Expectation::default()
        }
    }
}

/// Output format.
#[derive(Debug, Args)]
struct OutputArgs {
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Also write a plot of the run to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl OutputArgs {
    fn print(&self, report: &Report) -> anyhow::Result<()> {
        if let Some(path) = &self.svg {
            plot::write(report, path)?;
        }
        print(report, self.json)
    }
}

#[derive(Debug, Args)]
struct FindMax {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    arrivals: ArrivalArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// The objective, such as p99=20ms or p50=5ms,p99.9=100ms.
    #[arg(long, value_name = "OBJECTIVE")]
    slo: Slo,
    /// Number of connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Time at each rate.
    #[arg(long, default_value = "5s", value_name = "TIME")]
    duration: Time,
    /// Stop when the highest rate that met the objective is within this share of the lowest that missed it.
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    within: Share,
    /// How many times in a row a rate must miss the objective to count as missed.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    tries: u8,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

impl FindMax {
    fn run(self) -> anyhow::Result<bool> {
        let job = self.target.job(self.connections)?;
        let settings = SearchSettings {
            expectation: self.limits.expectation(Some(self.slo)),
            spacing: self.arrivals.spacing,
            seed: self.arrivals.seed,
            max_wait: self.arrivals.give_up_after.0,
            warmup: self.arrivals.warmup.0,
            duration: self.duration.0,
            within: self.within.0,
            tries: self.tries.into(),
            wrong_labels: self.target.wrong_labels(),
        };
        let result = find_max::run(&job, &settings)?;
        print(&result, self.json)?;
        Ok(result.max_per_second.is_some())
    }
}

impl Cli {
    /// Runs the subcommand; returns whether all expectations were met.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        match self.verb {
            Verb::Run(run) => run.run(),
            Verb::FindMax(find_max) => find_max.run(),
            Verb::Scenario(play) => play.run(),
            Verb::Scenarios => scenario::list(),
        }
    }
}

fn print<T: Serialize + std::fmt::Display>(value: &T, json: bool) -> anyhow::Result<()> {
    use std::io::Write;

    let text = if json {
        serde_json::to_string_pretty(value).context("writing JSON")? + "\n"
    } else {
        value.to_string()
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")
}
