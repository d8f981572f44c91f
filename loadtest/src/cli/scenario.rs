//! The subcommands `scenario` and `scenarios`.

use anyhow::{Context, ensure};
use clap::Args;

use super::{OutputArgs, target_args::TargetArgs};
use crate::{
    admin_client::AdminClient,
    client::Target,
    expect::judge,
    generator::{self, Job},
    report::{self, Report, Server},
    scenario::{AdminRequests, Names, Reference, SHIPPED, Scenario, find},
};

#[derive(Debug, Args)]
pub(super) struct PlayArgs {
    /// Name of a built-in scenario (see `scenarios`), or a file.
    #[arg(value_name = "NAME or FILE")]
    scenario: String,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// URL of the server's admin listener, for admin requests and metrics.
    #[arg(
        long,
        env = "STILLHOUSE_ADMIN",
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    admin: String,
    /// Bearer token of an operator.
    #[arg(long, env = "STILLHOUSE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Value for one of the scenario's names, such as canary=s3 (may be repeated).
    #[arg(long = "name", value_name = "NAME=VALUE", value_parser = name)]
    names: Vec<(String, String)>,
    /// The rate in requests/s that counts as 100 %; measured first if not given.
    #[arg(long, value_name = "RATE")]
    reference: Option<f64>,
}

fn name(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("write it like canary=s3")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Lists the built-in scenarios.
pub(super) fn list() -> anyhow::Result<bool> {
    for (name, text) in SHIPPED {
        println!("{name:14} {}", Scenario::parse(text)?.about);
    }
    Ok(true)
}

impl PlayArgs {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let scenario = &self.scenario;
        let parsed = Scenario::parse(&find(scenario)?);
        self.run_scenario(&parsed.with_context(|| format!("scenario {scenario}"))?)
    }

    fn run_scenario(&self, scenario: &Scenario) -> anyhow::Result<bool> {
        let requests = scenario.admin_requests(&Names::new(&scenario.names, &self.names)?)?;
        let target: Target = self.admin.parse().context("--admin")?;
        let admin_client = AdminClient::new(target, self.token.clone());
        let mut job = self.target.job(scenario.connections)?;
        let reference = match (self.reference, scenario.reference()) {
            (Some(given), _) => Some(given),
            (None, Some(reference)) => Some(measure(&mut job, reference)?),
            (None, None) => None,
        };
        let plan = scenario.plan(reference)?;
        job.connections = scenario.connections.max(plan.callers());
        job.slow = scenario.slow_clients.clone();

        if let Err(failed) = admin_client.send_all(&requests.before) {
            // If the first request was refused, nothing was changed, and the server's state isn't ours to restore.
            if failed.accepted > 0 {
                restore(&admin_client, &requests)?;
            }
            return Err(failed.error.context("before the run"));
        }
        let cpu = admin_client.metric("process_cpu_seconds_total");
        let result = generator::run(&job, &plan, |clock, run_progress| {
            admin_client.send_at_times(&requests.during, clock, run_progress)
        });
        let cpu = cpu.zip(admin_client.metric("process_cpu_seconds_total"));
        // Restore the server even if the run failed.
        let restored = restore(&admin_client, &requests);
        let (ran, events) = result?;
        let events = events?;

        let checks = judge(
            &scenario.expectations,
            &report::measured(&plan, &ran),
            reference,
        );
        let mut report = Report::new(&job, &plan, &ran, checks, self.target.wrong_labels());
        report.scenario = Some(self.scenario.clone());
        report.reference_per_second = reference;
        report.add_events(events);
        report.server = cpu.map(|(before, after)| Server {
            cpu_seconds: after - before,
            cpu_us_per_request: (after - before) * 1e6 / report.sent().max(1) as f64,
            resident_bytes: admin_client.metric("process_resident_memory_bytes"),
        });
        self.output.print(&report)?;
        restored?;
        Ok(report.passed)
    }
}

/// Sends the scenario's `after` requests, which restore the server's state.
fn restore(admin_client: &AdminClient, requests: &AdminRequests) -> anyhow::Result<()> {
    let sent = admin_client.send_all(&requests.after);
    sent.map_err(|failed| failed.error.context("after the run"))
}

/// Measures the reference rate: the server's throughput under a closed loop.
fn measure(job: &mut Job, reference: Reference) -> anyhow::Result<f64> {
    let plan = reference.plan();
    job.connections = reference.callers;
    let (ran, ()) = generator::run(job, &plan, |_, _| ())?;
    ensure!(!ran.interrupted, "interrupted");
    let full = report::measured(&plan, &ran)[0];
    let per_second = full.tally.answered.len() as f64 / full.seconds;
    ensure!(
        per_second > 0.0,
        "nothing is answered at full load: `stillhouse-loadtest run` shows why"
    );
    eprintln!(
        "100 % is {per_second:.0} requests/s, by {} callers",
        reference.callers
    );
    Ok(per_second)
}
