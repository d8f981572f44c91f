//! What a run has shown, as values: the table, JSON and the plot are drawn from these.

pub mod plot;
mod table;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    expect::{Measured, Verdict, quantile},
    generator::{Check, Cost, Job, Protocol, Ran},
    operator::Done,
    plan::{Load, Plan, Spacing},
    tally::PhaseTally,
};

pub use table::grid;

/// Raised when a field changes its meaning.
const SCHEMA: u32 = 1;
/// A percentile of which the generator's own lateness is more than this share isn't the server's alone.
const OWN_DOING: f64 = 0.2;
/// Of the time of its threads; a generator that is busier sends late.
const BUSY: f64 = 0.9;

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub scenario: Option<String>,
    pub setting: Setting,
    /// Requests/s that are 100 %, where phases are shares.
    pub reference_per_second: Option<f64>,
    pub phases: Vec<PhaseReport>,
    /// Which version answered, in which role of which generation.
    pub seats: Vec<SeatReport>,
    pub labels: Option<Labels>,
    pub events: Vec<Done>,
    pub slow_clients: Option<Vec<(String, u64)>>,
    pub generator: Generator,
    pub server: Option<Server>,
    pub timeline: Times,
    pub checks: Vec<Verdict>,
    /// Whether all checks are met and nobody interrupted.
    pub passed: bool,
    pub interrupted: bool,
}

/// What was sent, where and how.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    pub url: String,
    pub protocol: &'static str,
    pub connections: usize,
    pub streams: usize,
    pub arrivals: Spacing,
    pub seed: u64,
    pub pictures: usize,
    pub picture_bytes: usize,
    pub labelled: usize,
}

/// One phase.
#[derive(Debug, Serialize)]
pub struct PhaseReport {
    pub name: String,
    pub load: String,
    pub open: bool,
    pub measured: bool,
    pub seconds: f64,
    pub offered: u64,
    pub offered_per_second: f64,
    pub answered: u64,
    pub answered_per_second: f64,
    pub refused: u64,
    pub failed: u64,
    pub never_sent: u64,
    /// From when a request was due to its whole answer.
    pub latency_ms: Option<Percentiles>,
    pub refusal_ms: Option<Percentiles>,
    /// How late the generator itself was with what was due.
    pub generator_late_ms: Option<Percentiles>,
    pub reasons: Vec<ReasonReport>,
    /// Percent and milliseconds, for the plot.
    #[serde(skip)]
    pub curve: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    #[serde(rename = "p99.9")]
    pub p99_9: f64,
    pub max: f64,
}

#[derive(Debug, Serialize)]
pub struct ReasonReport {
    pub reason: String,
    pub count: u64,
    pub example: String,
}

#[derive(Debug, Serialize)]
pub struct SeatReport {
    pub model: String,
    pub generation: u64,
    pub role: String,
    pub version: String,
    pub answers: u64,
}

#[derive(Debug, Serialize)]
pub struct Labels {
    pub right: u64,
    pub wrong: u64,
    pub example: Option<String>,
}

/// What the generator itself took, warm-up included.
#[derive(Debug, Serialize)]
pub struct Generator {
    pub threads: usize,
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    /// Of its threads' time.
    pub busy: f64,
    /// Why the result may be the generator's doing; empty if it isn't.
    pub warnings: Vec<String>,
}

/// What the server said of itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Server {
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    pub resident_bytes: Option<f64>,
}

/// The run over time; one value an interval.
#[derive(Debug, Default, Serialize)]
pub struct Times {
    pub interval_seconds: f64,
    pub offered_per_second: Vec<f64>,
    pub answered_per_second: Vec<f64>,
    pub refused_per_second: Vec<f64>,
    pub failed_per_second: Vec<f64>,
    /// Of answers; null where there were none.
    pub p50_ms: Vec<Option<f64>>,
    pub p99_ms: Vec<Option<f64>>,
}

impl Setting {
    pub fn new(job: &Job, plan: &Plan) -> Self {
        let sizes = job.pictures.iter().map(|picture| picture.bytes.len());
        Self {
            url: job.target.to_string(),
            protocol: match job.protocol {
                Protocol::Http1 => "HTTP/1.1",
                Protocol::Http2 => "HTTP/2",
            },
            connections: job.connections,
            streams: job.streams,
            arrivals: plan.spacing,
            seed: plan.seed,
            pictures: job.pictures.len(),
            picture_bytes: sizes.sum(),
            labelled: job
                .pictures
                .iter()
                .filter(|picture| picture.label.is_some())
                .count(),
        }
    }
}

impl Report {
    /// Puts together what a run showed; `verdicts` judge its phases.
    pub fn new(
        job: &Job,
        plan: &Plan,
        ran: &Ran,
        mut checks: Vec<Verdict>,
        wrong_labels: f64,
    ) -> Self {
        let phases: Vec<PhaseReport> = phases(plan, ran);
        checks.extend(answer_checks(job, ran, wrong_labels));
        let labelled = &ran.witness.labelled;
        let sent: u64 = ran
            .tally
            .phases
            .iter()
            .map(|phase| phase.offered() - phase.given_up)
            .sum();
        let mut report = Self {
            schema: SCHEMA,
            scenario: None,
            setting: Setting::new(job, plan),
            reference_per_second: None,
            seats: seats(ran),
            labels: (labelled.right + labelled.wrong > 0).then(|| Labels {
                right: labelled.right,
                wrong: labelled.wrong,
                example: labelled.example.clone(),
            }),
            events: Vec::new(),
            slow_clients: ran
                .slow
                .as_ref()
                .map(|slow| slow.0.clone().into_iter().collect()),
            generator: generator(&ran.generator, sent, &phases),
            phases,
            server: None,
            timeline: times(ran),
            checks,
            passed: false,
            interrupted: ran.interrupted,
        };
        report.conclude();
        report
    }

    /// Takes in the orders that were given; each must have been accepted.
    pub fn add_events(&mut self, events: Vec<Done>) {
        for event in &events {
            if !event.ok {
                self.checks.push(Verdict {
                    what: format!("{} at {:.1} s is accepted", event.name, event.at_seconds),
                    ok: false,
                    found: event.error.clone().unwrap_or_default(),
                });
            }
        }
        self.events = events;
        self.conclude();
    }

    /// Requests that were sent, over all phases.
    pub fn sent(&self) -> u64 {
        self.phases
            .iter()
            .map(|phase| phase.offered - phase.never_sent)
            .sum()
    }

    fn conclude(&mut self) {
        self.passed = !self.interrupted && self.checks.iter().all(|check| check.ok);
    }
}

/// The measured phases, for judging.
pub fn measured<'a>(plan: &'a Plan, ran: &'a Ran) -> Vec<Measured<'a>> {
    plan.phases
        .iter()
        .zip(&ran.tally.phases)
        .filter(|(phase, _)| phase.measured)
        .map(|(phase, tally)| Measured {
            name: &phase.name,
            seconds: phase.duration.as_secs_f64(),
            tally,
        })
        .collect()
}

fn phases(plan: &Plan, ran: &Ran) -> Vec<PhaseReport> {
    let report = |phase: &crate::plan::Phase, tally: &PhaseTally| {
        let seconds = phase.duration.as_secs_f64();
        PhaseReport {
            name: phase.name.clone(),
            load: phase.load.to_string(),
            open: matches!(phase.load, Load::Open { .. }),
            measured: phase.measured,
            seconds,
            offered: tally.offered(),
            offered_per_second: tally.offered() as f64 / seconds,
            answered: tally.answered.len(),
            answered_per_second: tally.answered.len() as f64 / seconds,
            refused: tally.refused.len(),
            failed: tally.failed,
            never_sent: tally.given_up,
            latency_ms: percentiles(&tally.answered),
            refusal_ms: percentiles(&tally.refused),
            generator_late_ms: percentiles(&tally.lateness),
            reasons: tally
                .reasons
                .sorted()
                .into_iter()
                .map(|reason| ReasonReport {
                    reason: reason.to_string(),
                    count: reason.count,
                    example: reason.example,
                })
                .collect(),
            curve: plot::curve(&tally.answered),
        }
    };
    plan.phases
        .iter()
        .zip(&ran.tally.phases)
        .map(|(phase, tally)| report(phase, tally))
        .collect()
}

/// In milliseconds.
pub fn percentiles(latencies: &Histogram<u64>) -> Option<Percentiles> {
    let at = |share| Some(quantile(latencies, share)?.as_secs_f64() * 1e3);
    Some(Percentiles {
        p50: at(0.5)?,
        p90: at(0.9)?,
        p99: at(0.99)?,
        p99_9: at(0.999)?,
        max: at(1.0)?,
        mean: latencies.mean() * 1e-6,
    })
}

impl Percentiles {
    /// With their names, the mean left out.
    pub fn named(&self) -> [(&'static str, f64); 5] {
        [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99.9", self.p99_9),
            ("max", self.max),
        ]
    }

    /// The percentiles of which `late` is more than a small part.
    pub fn own_doing(&self, late: &Self) -> Vec<&'static str> {
        let pairs = self.named().into_iter().zip(late.named());
        pairs
            .filter(|((_, all), (_, late))| *late > all * OWN_DOING)
            .map(|((name, _), _)| name)
            .collect()
    }
}

fn seats(ran: &Ran) -> Vec<SeatReport> {
    let mut seats: Vec<SeatReport> = ran
        .witness
        .seats
        .iter()
        .map(|seat| SeatReport {
            model: seat.model.clone(),
            generation: seat.generation,
            role: seat.role.clone(),
            version: seat.version.clone(),
            answers: seat.answers,
        })
        .collect();
    seats.sort_by(|a, b| (a.generation, &a.role).cmp(&(b.generation, &b.role)));
    seats
}

/// What answers say, beyond that they came.
fn answer_checks(job: &Job, ran: &Ran, wrong_labels: f64) -> Vec<Verdict> {
    let mut checks = Vec::new();
    if job.check == Check::Full {
        // Contradictions within a thread have failed the answer and stand among the reasons; these span threads.
        let across = ran.contradictions.first();
        let within = ran
            .tally
            .phases
            .iter()
            .flat_map(|phase| phase.reasons.sorted());
        let within = within
            .into_iter()
            .find(|reason| crate::witness::REASONS.contains(&reason.code.as_str()));
        let found = across
            .map(ToString::to_string)
            .or(within.map(|reason| reason.example));
        checks.push(Verdict {
            what: "each generation and role is one version, each version of one mind".into(),
            ok: found.is_none(),
            found: found
                .unwrap_or_else(|| format!("{} generations and roles", ran.witness.seats.len())),
        });
    }
    let labelled = &ran.witness.labelled;
    let all = labelled.right + labelled.wrong;
    if all > 0 {
        let share = labelled.wrong as f64 / all as f64;
        let example = labelled
            .example
            .as_ref()
            .map(|example| format!(": {example}"));
        checks.push(Verdict {
            what: match wrong_labels {
                0.0 => "every known label is found".into(),
                most => format!(
                    "at most {} of known labels are missed",
                    crate::quantity::Share(most)
                ),
            },
            ok: share <= wrong_labels,
            found: format!(
                "{} wrong of {all}{}",
                labelled.wrong,
                example.unwrap_or_default()
            ),
        });
    }
    checks
}

fn generator(cost: &Cost, sent: u64, phases: &[PhaseReport]) -> Generator {
    let busy = cost.cpu_seconds / (cost.wall_seconds * cost.threads as f64);
    let mut warnings = Vec::new();
    if busy > BUSY {
        warnings.push(format!(
            "it was busy for {:.0} % of its time: what it shows is its own limit as much as the server's; give it another \
             thread (--threads {}) or a machine of its own",
            busy * 100.0,
            cost.threads + 1
        ));
    }
    for phase in phases.iter().filter(|phase| phase.measured) {
        let (Some(latency), Some(late)) = (&phase.latency_ms, &phase.generator_late_ms) else {
            continue;
        };
        let own = latency.own_doing(late);
        if !own.is_empty() {
            warnings.push(format!(
                "{}: it was late itself by more than a fifth of {}: don't blame the server for these (late: p99 {:.2} ms, \
                 max {:.2} ms)",
                phase.name,
                own.join(", "),
                late.p99,
                late.max
            ));
        }
    }
    Generator {
        threads: cost.threads,
        cpu_seconds: cost.cpu_seconds,
        cpu_us_per_request: cost.cpu_seconds * 1e6 / sent.max(1) as f64,
        busy,
        warnings,
    }
}

fn times(ran: &Ran) -> Times {
    let timeline = &ran.tally.timeline;
    let width = timeline.width_seconds();
    let mut times = Times {
        interval_seconds: width,
        ..Times::default()
    };
    for interval in timeline.intervals() {
        let latencies = &interval.latencies;
        let at = |share| {
            (!latencies.is_empty()).then(|| latencies.value_at_quantile(share) as f64 * 1e-6)
        };
        times
            .offered_per_second
            .push(interval.offered as f64 / width);
        times
            .answered_per_second
            .push(interval.answered as f64 / width);
        times
            .refused_per_second
            .push(interval.refused as f64 / width);
        times.failed_per_second.push(interval.failed as f64 / width);
        times.p50_ms.push(at(0.5));
        times.p99_ms.push(at(0.99));
    }
    times
}
