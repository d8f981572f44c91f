//! What a run has shown, as values: the table, JSON and the plot are drawn from these.

mod generator;
mod phases;
pub mod plot;
mod table;
mod times;

use serde::Serialize;

use crate::{
    expect::Verdict,
    generator::{Check, Job, Protocol, Ran},
    operator::Done,
    plan::{Plan, Spacing},
};

pub use generator::Generator;
pub use phases::{Percentiles, PhaseReport, measured};
pub use table::grid;
pub use times::Times;

/// Raised when a field changes its meaning.
const SCHEMA: u32 = 1;

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

/// What the server said of itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Server {
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    pub resident_bytes: Option<f64>,
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
        let phases: Vec<PhaseReport> = phases::phases(plan, ran);
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
            generator: generator::generator(&ran.generator, sent, &phases),
            phases,
            server: None,
            timeline: times::times(ran),
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
