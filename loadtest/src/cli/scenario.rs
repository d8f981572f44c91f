//! A scenario, played.

use anyhow::{Context, ensure};
use clap::Args;

use super::{Output, aim::Aim};
use crate::{
    client::Target,
    expect::judge,
    generator::{self, Job},
    operator::Operator,
    report::{self, Report, Server},
    scenario::{Names, Orders, Reference, SHIPPED, Scenario, find},
};

#[derive(Debug, Args)]
pub struct Play {
    /// A scenario of this program's (see `scenarios`), or a file.
    #[arg(value_name = "NAME or FILE")]
    scenario: String,
    #[command(flatten)]
    aim: Aim,
    #[command(flatten)]
    output: Output,
    /// Where orders go, and where the server's metrics are.
    #[arg(
        long,
        env = "STILLHOUSE_ADMIN",
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    admin: String,
    /// An operator's token.
    #[arg(long, env = "STILLHOUSE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// What a name of the scenario's stands for, such as canary=s3; may be given several times.
    #[arg(long = "name", value_name = "NAME=VALUE", value_parser = name)]
    names: Vec<(String, String)>,
    /// Requests a second that are 100 %; else they are measured first.
    #[arg(long, value_name = "RATE")]
    reference: Option<f64>,
}

fn name(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("write it like canary=s3")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What there is.
pub fn list() -> anyhow::Result<bool> {
    for (name, text) in SHIPPED {
        println!("{name:14} {}", Scenario::parse(text)?.about);
    }
    Ok(true)
}

impl Play {
    pub fn run(self) -> anyhow::Result<bool> {
        let scenario = &self.scenario;
        let parsed = Scenario::parse(&find(scenario)?);
        self.play(&parsed.with_context(|| format!("scenario {scenario}"))?)
    }

    fn play(&self, scenario: &Scenario) -> anyhow::Result<bool> {
        let orders = scenario.orders(&Names::new(&scenario.names, &self.names)?)?;
        let target: Target = self.admin.parse().context("--admin")?;
        let operator = Operator::new(target, self.token.clone());
        let mut job = self.aim.job(scenario.connections)?;
        let reference = match (self.reference, scenario.reference()) {
            (Some(given), _) => Some(given),
            (None, Some(reference)) => Some(measure(&mut job, reference)?),
            (None, None) => None,
        };
        let plan = scenario.plan(reference)?;
        job.connections = scenario.connections.max(plan.callers());
        job.slow = scenario.slow_clients.clone();

        if let Err(stopped) = operator.carry_out(&orders.before) {
            // Where the first was refused nothing was changed, and what is there is somebody else's.
            if stopped.carried_out > 0 {
                put_right(&operator, &orders)?;
            }
            return Err(stopped.error.context("before the run"));
        }
        let cpu = operator.metric("process_cpu_seconds_total");
        let played = generator::run(&job, &plan, |clock, live| {
            operator.accompany(&orders.during, clock, live)
        });
        let cpu = cpu.zip(operator.metric("process_cpu_seconds_total"));
        // Whatever came of it.
        let restored = put_right(&operator, &orders);
        let (ran, events) = played?;
        let events = events?;

        let verdicts = judge(
            &scenario.expectations,
            &report::measured(&plan, &ran),
            reference,
        );
        let mut report = Report::new(&job, &plan, &ran, verdicts, self.aim.wrong_labels());
        report.scenario = Some(self.scenario.clone());
        report.reference_per_second = reference;
        report.add_events(events);
        report.server = cpu.map(|(before, after)| Server {
            cpu_seconds: after - before,
            cpu_us_per_request: (after - before) * 1e6 / report.sent().max(1) as f64,
            resident_bytes: operator.metric("process_resident_memory_bytes"),
        });
        self.output.tell(&report)?;
        restored?;
        Ok(report.passed)
    }
}

/// The server is left as it was found.
fn put_right(operator: &Operator, orders: &Orders) -> anyhow::Result<()> {
    let carried_out = operator.carry_out(&orders.after);
    carried_out.map_err(|stopped| stopped.error.context("after the run"))
}

/// What the server does at most.
fn measure(job: &mut Job, reference: Reference) -> anyhow::Result<f64> {
    let plan = reference.plan();
    job.connections = reference.callers;
    let (ran, ()) = generator::run(job, &plan, |_, _| ())?;
    ensure!(!ran.interrupted, "interrupted");
    let full = report::measured(&plan, &ran)[0];
    let per_second = full.tally.answered.len() as f64 / full.seconds;
    ensure!(
        per_second > 0.0,
        "nothing is answered at full load: try `stillhouse-loadtest run` first, it says why"
    );
    eprintln!(
        "100 % is {per_second:.0} requests/s, by {} callers",
        reference.callers
    );
    Ok(per_second)
}
