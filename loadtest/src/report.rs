//! The report of a run as values, from which the table, the JSON and the plot are made.

mod curve;
mod generator;
mod phases;
pub(crate) mod plot;
mod table;
mod time_series;

use serde::Serialize;

use crate::{
    admin_client::RequestReport,
    expect::CheckResult,
    generator::{Check, Job, Protocol, RunResult},
    plan::{Plan, Spacing},
};

pub(crate) use generator::Generator;
pub(crate) use phases::{Percentiles, PhaseReport, measured};
pub(crate) use time_series::TimeSeries;

/// Version of the JSON format; raised when a field changes its meaning.
const SCHEMA: u32 = 1;

/// The report of a whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub schema: u32,
    pub scenario: Option<String>,
    pub setting: Setting,
    /// The rate in requests/s that counts as 100 %, for phases given as shares.
    pub reference_per_second: Option<f64>,
    pub phases: Vec<PhaseReport>,
    /// Which version answered in which generation and role.
    pub seats: Vec<SeatReport>,
    pub labels: Option<Labels>,
    pub events: Vec<RequestReport>,
    pub slow_clients: Option<Vec<(String, u64)>>,
    pub generator: Generator,
    pub server: Option<Server>,
    pub timeline: TimeSeries,
    pub checks: Vec<CheckResult>,
    /// Whether all checks are met and the run wasn't interrupted.
    pub passed: bool,
    pub interrupted: bool,
}

/// What was sent, where and how.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setting {
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
pub(crate) struct SeatReport {
    pub model: String,
    pub generation: u64,
    pub role: String,
    pub version: String,
    pub answers: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Labels {
    pub right: u64,
    pub wrong: u64,
    pub example: Option<String>,
}

/// The server's own metrics.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Server {
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    pub resident_bytes: Option<f64>,
}

impl Setting {
    pub(crate) fn new(job: &Job, plan: &Plan) -> Self {
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
    /// The report of a run; `checks` are those of its phases, and `wrong_labels` is the largest allowed share (0 to 1).
    pub(crate) fn new(
        job: &Job,
        plan: &Plan,
        ran: &RunResult,
        mut checks: Vec<CheckResult>,
        wrong_labels: f64,
    ) -> Self {
        let phases: Vec<PhaseReport> = phases::phases(plan, ran);
        checks.extend(answer_checks(job, ran, wrong_labels));
        let labelled = &ran.consistency.labelled;
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
            timeline: time_series::times(ran),
            checks,
            passed: false,
            interrupted: ran.interrupted,
        };
        report.conclude();
        report
    }

    /// Adds the requests to the admin API, each of which must have been accepted.
    pub(crate) fn add_events(&mut self, events: Vec<RequestReport>) {
        for event in &events {
            if !event.ok {
                self.checks.push(CheckResult {
                    what: format!("{} at {:.1} s is accepted", event.name, event.at_seconds),
                    ok: false,
                    found: event.error.clone().unwrap_or_default(),
                });
            }
        }
        self.events = events;
        self.conclude();
    }

    /// Number of requests sent, over all phases.
    pub(crate) fn sent(&self) -> u64 {
        self.phases
            .iter()
            .map(|phase| phase.offered - phase.never_sent)
            .sum()
    }

    fn conclude(&mut self) {
        self.passed = !self.interrupted && self.checks.iter().all(|check| check.ok);
    }
}

fn seats(ran: &RunResult) -> Vec<SeatReport> {
    let mut seats: Vec<SeatReport> = ran
        .consistency
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

/// Checks of the answers' content.
fn answer_checks(job: &Job, ran: &RunResult, wrong_labels: f64) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    if job.check == Check::Full {
        // Contradictions within a thread are counted as failed answers, among the reasons; the others are between threads.
        let across = ran.contradictions.first();
        let within = ran
            .tally
            .phases
            .iter()
            .flat_map(|phase| phase.reasons.sorted());
        let within = within
            .into_iter()
            .find(|reason| crate::consistency::REASONS.contains(&reason.code.as_str()));
        let found = across
            .map(ToString::to_string)
            .or(within.map(|reason| reason.example));
        checks.push(CheckResult {
            what: "one version per generation and role, one label per version and picture".into(),
            ok: found.is_none(),
            found: found.unwrap_or_else(|| {
                format!("{} generations and roles", ran.consistency.seats.len())
            }),
        });
    }
    let labelled = &ran.consistency.labelled;
    let all = labelled.right + labelled.wrong;
    if all > 0 {
        let share = labelled.wrong as f64 / all as f64;
        let example = labelled
            .example
            .as_ref()
            .map(|example| format!(": {example}"));
        checks.push(CheckResult {
            what: match wrong_labels {
                0.0 => "every answer agrees with the known label".into(),
                most => format!(
                    "at most {} of answers differ from the known label",
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
