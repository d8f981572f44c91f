//! Finds the highest rate that meets an objective.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use crate::{
    expect::{Expectation, judge},
    generator::{self, Job},
    plan::{self, Load, Plan, Spacing},
    report::{self, Percentiles, Report, Setting},
    search::Search,
    text_table::text_table,
};

/// Settings of the search.
pub(crate) struct SearchSettings {
    pub expectation: Expectation,
    pub spacing: Spacing,
    pub seed: u64,
    pub max_wait: Duration,
    pub warmup: Duration,
    /// Measured time at one rate.
    pub duration: Duration,
    /// The search ends when the highest rate met is within this share of the lowest missed.
    pub within: f64,
    /// How many times in a row a rate must miss the objective to count as missed, since other processes may disturb one try.
    pub tries: usize,
    pub wrong_labels: f64,
}

/// The measurement at one rate.
#[derive(Debug, Serialize)]
pub(crate) struct Probe {
    pub due_per_second: f64,
    pub answered_per_second: f64,
    pub latency_ms: Option<Percentiles>,
    pub met: bool,
    /// The expectations that were missed.
    pub missed: Vec<String>,
    /// Whether the generator itself was late or busy.
    pub generator_suspect: bool,
}

/// The result of the search.
#[derive(Debug, Serialize)]
pub(crate) struct MaxRate {
    pub setting: Setting,
    pub closed_loop_per_second: f64,
    pub max_per_second: Option<f64>,
    /// The lowest rate that was missed.
    pub missed_per_second: Option<f64>,
    /// Whether the generator, not the server, may have been the bottleneck.
    pub generator_limited: bool,
    pub probes: Vec<Probe>,
}

/// Measures closed-loop throughput first, as the starting point of the search.
pub(crate) fn run(job: &Job, settings: &SearchSettings) -> anyhow::Result<MaxRate> {
    let closed = plan::closed(
        job.connections * job.streams,
        settings.warmup,
        settings.duration,
    );
    let (ran, ()) = generator::run(job, &closed, |_, _| ())?;
    ensure!(!ran.interrupted, "interrupted");
    let full = report::measured(&closed, &ran)[0];
    let per_second = full.tally.answered.len() as f64 / full.seconds;
    ensure!(
        per_second > 0.0,
        "nothing is answered at full load: `stillhouse-loadtest run` shows why"
    );

    let mut search = Search::new(per_second / 2.0, settings.within);
    let mut probes: Vec<Probe> = Vec::new();
    while let Some(rate) = search.next() {
        let mut met = false;
        for _ in 0..settings.tries {
            let probe = probe(job, settings, rate)?;
            eprintln!("{}", probe.summary());
            met = probe.met;
            probes.push(probe);
            if met {
                break;
            }
        }
        search.tried(met);
    }
    // If the generator was late whenever the lowest missed rate was missed, the server may be able to do more.
    let missed = search.missed();
    let limit = probes
        .iter()
        .filter(|probe| !probe.met && Some(probe.due_per_second) == missed);
    Ok(MaxRate {
        setting: Setting::new(job, &closed),
        closed_loop_per_second: per_second,
        max_per_second: search.found(),
        missed_per_second: missed,
        generator_limited: limit.into_iter().all(|probe| probe.generator_suspect),
        probes,
    })
}

fn probe(job: &Job, settings: &SearchSettings, rate: f64) -> anyhow::Result<Probe> {
    let load = Load::Open {
        from: rate,
        to: rate,
    };
    let plan = Plan {
        spacing: settings.spacing,
        seed: settings.seed,
        max_wait: settings.max_wait,
        ..plan::one(load, settings.warmup, settings.duration)
    };
    let (ran, ()) = generator::run(job, &plan, |_, _| ())?;
    ensure!(!ran.interrupted, "interrupted");
    let checks = judge(
        std::slice::from_ref(&settings.expectation),
        &report::measured(&plan, &ran),
        None,
    );
    let report = Report::new(job, &plan, &ran, checks, settings.wrong_labels);
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
    fn summary(&self) -> String {
        let p99 = self.latency_ms.map_or(f64::NAN, |latency| latency.p99);
        let check = if self.met { "met" } else { "missed" };
        format!("{:.0}/s: {check}, p99 {p99:.2} ms", self.due_per_second)
    }
}

impl std::fmt::Display for MaxRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = text_table(["due/s", "answered/s", "p50 ms", "p99 ms", "", "why"]);
        for probe in &self.probes {
            let ms = |value: fn(&Percentiles) -> f64| {
                probe
                    .latency_ms
                    .as_ref()
                    .map_or_else(|| "-".into(), |latency| format!("{:.2}", value(latency)))
            };
            let mut why = probe.missed.clone();
            if probe.generator_suspect {
                why.push("the generator itself was late".into());
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
                "no rate meets the objective; `stillhouse-loadtest run --rate 1` shows why"
            )?,
        }
        if self.generator_limited {
            writeln!(
                f,
                "the generator itself was late or busy at the lowest rate missed: with another machine for it, or --threads 2, the \
                 server may do more"
            )?;
        }
        Ok(())
    }
}
