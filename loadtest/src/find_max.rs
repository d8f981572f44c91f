//! The highest rate at which the objective still holds.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::{
    expect::{Expectation, judge},
    generator::{self, Job},
    plan::{self, Load, Plan, Spacing},
    report::{self, Percentiles, Report, Setting, grid},
    search::Search,
};

/// How to search.
pub struct Hunt {
    pub expectation: Expectation,
    pub spacing: Spacing,
    pub seed: u64,
    pub patience: Duration,
    pub warmup: Duration,
    /// Of one rate.
    pub duration: Duration,
    /// How close to the limit is close enough.
    pub within: f64,
    /// A rate is missed when it is missed so many times in a row: what else runs on a machine comes and goes.
    pub tries: usize,
    pub wrong_labels: f64,
}

/// One rate that was tried.
#[derive(Debug, Serialize)]
pub struct Probe {
    pub due_per_second: f64,
    pub answered_per_second: f64,
    pub latency_ms: Option<Percentiles>,
    pub met: bool,
    /// Why not.
    pub missed: Vec<String>,
    /// The generator was late or busy itself.
    pub generator_suspect: bool,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Found {
    pub setting: Setting,
    pub closed_loop_per_second: f64,
    pub max_per_second: Option<f64>,
    /// The lowest that was missed.
    pub missed_per_second: Option<f64>,
    /// Whether the generator, not the server, may have been what gave out.
    pub generator_limited: bool,
    pub probes: Vec<Probe>,
}

/// Measures closed-loop throughput first, to know where to begin.
pub fn run(job: &Job, hunt: &Hunt) -> anyhow::Result<Found> {
    let closed = plan::closed(job.connections * job.streams, hunt.warmup, hunt.duration);
    let (ran, ()) = generator::run(job, &closed, |_, _| ())?;
    ensure!(!ran.interrupted, "interrupted");
    let full = report::measured(&closed, &ran)[0];
    let per_second = full.tally.answered.len() as f64 / full.seconds;
    ensure!(
        per_second > 0.0,
        "nothing is answered at full load: try `stillhouse-loadtest run` first, it says why"
    );

    let mut search = Search::new(per_second / 2.0, hunt.within);
    let mut probes: Vec<Probe> = Vec::new();
    while let Some(rate) = search.next() {
        let mut met = false;
        for _ in 0..hunt.tries {
            let probe = probe(job, hunt, rate)?;
            eprintln!("{}", probe.told());
            met = probe.met;
            probes.push(probe);
            if met {
                break;
            }
        }
        search.tried(met);
    }
    // Where the lowest rate that was missed was missed with a generator that was late, the server may do more.
    let missed = search.missed();
    let limit = probes
        .iter()
        .filter(|probe| !probe.met && Some(probe.due_per_second) == missed);
    Ok(Found {
        setting: Setting::new(job, &closed),
        closed_loop_per_second: per_second,
        max_per_second: search.found(),
        missed_per_second: missed,
        generator_limited: limit.into_iter().all(|probe| probe.generator_suspect),
        probes,
    })
}

fn probe(job: &Job, hunt: &Hunt, rate: f64) -> anyhow::Result<Probe> {
    let load = Load::Open {
        from: rate,
        to: rate,
    };
    let plan = Plan {
        spacing: hunt.spacing,
        seed: hunt.seed,
        patience: hunt.patience,
        ..plan::one(load, hunt.warmup, hunt.duration)
    };
    let (ran, ()) = generator::run(job, &plan, |_, _| ())?;
    ensure!(!ran.interrupted, "interrupted");
    let verdicts = judge(
        std::slice::from_ref(&hunt.expectation),
        &report::measured(&plan, &ran),
        None,
    );
    let report = Report::new(job, &plan, &ran, verdicts, hunt.wrong_labels);
    let phase = report
        .phases
        .into_iter()
        .find(|phase| phase.measured)
        .expect("one is measured");
    Ok(Probe {
        due_per_second: rate,
        answered_per_second: phase.answered_per_second,
        latency_ms: phase.latency_ms,
        met: report.passed,
        missed: report
            .checks
            .iter()
            .filter(|check| !check.ok)
            .map(|check| format!("{} ({})", check.what, check.found))
            .collect(),
        generator_suspect: report.generator.suspect,
    })
}

impl Probe {
    fn told(&self) -> String {
        let p99 = self.latency_ms.map_or(f64::NAN, |latency| latency.p99);
        let verdict = if self.met { "met" } else { "missed" };
        format!("{:.0}/s: {verdict}, p99 {p99:.2} ms", self.due_per_second)
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = grid(["due/s", "answered/s", "p50 ms", "p99 ms", "", "why"]);
        for probe in &self.probes {
            let ms = |value: fn(&Percentiles) -> f64| {
                probe
                    .latency_ms
                    .as_ref()
                    .map_or_else(|| "-".into(), |latency| format!("{:.2}", value(latency)))
            };
            let mut why = probe.missed.clone();
            if probe.generator_suspect {
                why.push("the generator was late itself".into());
            }
            table.add_row([
                format!("{:.0}", probe.due_per_second),
                format!("{:.0}", probe.answered_per_second),
                ms(|latency| latency.p50),
                ms(|latency| latency.p99),
                if probe.met { "met" } else { "missed" }.to_owned(),
                why.join("; "),
            ]);
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "closed loop: {:.0} answers/s",
            self.closed_loop_per_second
        )?;
        match (self.max_per_second, self.missed_per_second) {
            (Some(max), Some(missed)) => {
                writeln!(f, "maximum: {max:.0} requests/s (missed at {missed:.0})")?
            }
            (Some(max), None) => writeln!(f, "maximum: {max:.0} requests/s")?,
            (None, _) => writeln!(
                f,
                "no rate meets the objective; `stillhouse-loadtest run --rate 1` says why"
            )?,
        }
        if self.generator_limited {
            writeln!(
                f,
                "the generator was late or busy itself where it was missed: with a machine of its own, or --threads 2, the \
                 server may do more"
            )?;
        }
        Ok(())
    }
}
