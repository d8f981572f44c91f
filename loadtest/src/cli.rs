//! The command line: flags become a job and a plan.

mod aim;
mod run;
mod scenario;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::{
    expect::{Expectation, Slo},
    find_max::{self, Hunt},
    plan::Spacing,
    quantity::{Share, Time},
    report::{Report, plot},
};

use aim::Aim;

/// An honest load tester for Stillhouse: latency counts from when a request was due, answers are checked, and the
/// generator tells when it was late itself. Exit code 1: something that was expected wasn't shown.
#[derive(Debug, Parser)]
#[command(name = "stillhouse-loadtest", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// One load: a rate (open loop) or callers (closed loop).
    Run(run::Run),
    /// Find the highest rate at which the objective holds.
    FindMax(FindMax),
    /// Play a scenario: phases, orders to the admin API, expectations.
    Scenario(scenario::Play),
    /// The scenarios that are in this program.
    Scenarios,
}

/// How requests of a rate lie in time.
#[derive(Debug, Args)]
struct Pacing {
    /// How requests of one rate lie in time.
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Spacing,
    /// Of the Poisson arrivals: the same seed, the same arrivals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How long a request waits for a free connection before it counts as failed.
    #[arg(long, default_value = "10s", value_name = "TIME")]
    give_up_after: Time,
    /// Time at the same load before anything is counted.
    #[arg(long, default_value = "2s", value_name = "TIME")]
    warmup: Time,
}

/// What must be shown.
#[derive(Debug, Args)]
struct Wanted {
    /// At most this share of requests may fail.
    #[arg(long, default_value = "0%", value_name = "SHARE")]
    failed: Share,
    /// At most this share of requests may be refused (503, 429).
    #[arg(long, default_value = "0%", value_name = "SHARE")]
    refused: Share,
}

impl Wanted {
    fn expectation(&self, slo: Option<Slo>) -> Expectation {
        Expectation {
            slo: slo.unwrap_or_default(),
            failed: self.failed,
            refused: self.refused,
            ..Expectation::default()
        }
    }
}

/// Where results go.
#[derive(Debug, Args)]
struct Output {
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Draw the run into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Output {
    fn tell(&self, report: &Report) -> anyhow::Result<()> {
        if let Some(path) = &self.svg {
            plot::write(report, path)?;
        }
        print(report, self.json)
    }
}

#[derive(Debug, Args)]
struct FindMax {
    #[command(flatten)]
    aim: Aim,
    #[command(flatten)]
    pacing: Pacing,
    #[command(flatten)]
    wanted: Wanted,
    /// The objective, such as p99=20ms or p50=5ms,p99.9=100ms.
    #[arg(long, value_name = "OBJECTIVE")]
    slo: Slo,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Time at each rate.
    #[arg(long, default_value = "5s", value_name = "TIME")]
    duration: Time,
    /// How close to the limit is close enough.
    #[arg(long, default_value = "5%", value_name = "SHARE")]
    within: Share,
    /// A rate is missed when it is missed so many times in a row.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    tries: u8,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

impl FindMax {
    fn run(self) -> anyhow::Result<bool> {
        let job = self.aim.job(self.connections)?;
        let hunt = Hunt {
            expectation: self.wanted.expectation(Some(self.slo)),
            spacing: self.pacing.arrivals,
            seed: self.pacing.seed,
            patience: self.pacing.give_up_after.0,
            warmup: self.pacing.warmup.0,
            duration: self.duration.0,
            within: self.within.0,
            tries: self.tries.into(),
            wrong_labels: self.aim.wrong_labels(),
        };
        let found = find_max::run(&job, &hunt)?;
        print(&found, self.json)?;
        Ok(found.max_per_second.is_some())
    }
}

impl Cli {
    /// Whether all that was expected was shown.
    pub fn run(self) -> anyhow::Result<bool> {
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
