//! A report on the last hour of one role: measured values, expected values, the effect of noise alone, and what has
//! moved.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DriftSettings, window::Window};
use crate::pair_series::Expected;
use stillhouse_drift::{
    marginal::{Reference, Shift},
    tally::{Estimate, Tally},
};

/// This many classes or cells that moved most are listed.
const NAMED: usize = 5;

/// A measured value beside its value at validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Measured {
    /// Number of pairs it is computed from.
    pub observations: u64,
    /// The value; none without pairs.
    pub value: Option<f64>,
    /// Its 95 % confidence interval, for one look: of means corrected for skewness, of shares Wilson's.
    pub interval: Option<[f64; 2]>,
    /// At validation.
    pub reference: Option<f64>,
}

/// A part of a divergence, by class or by cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Moved {
    /// The class, or the limits of the cell.
    pub name: String,
    /// Its part of the divergence.
    pub nats: f64,
    /// Share of the live answers or pictures; none if the part is one of pairs.
    pub share: Option<f64>,
    /// Share at validation.
    pub reference_share: Option<f64>,
}

/// A distribution beside its reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Shifted {
    /// What is counted: `predictions`, `luma_mean` …
    pub name: String,
    /// Number of answers or pictures counted.
    pub observations: u64,
    /// KL(live‖reference).
    pub kl_nats: f64,
    /// Its mean without any drift; none if nothing was counted.
    pub bias_nats: Option<f64>,
    /// The value that it exceeds once in a thousand times without any drift; none if nothing was counted.
    pub noise_nats: Option<f64>,
    /// Population stability index.
    pub psi: f64,
    /// Jensen-Shannon divergence, 0 to 1.
    pub js_bits: f64,
    /// Whether the divergence is above noise, large enough to matter, and from enough answers.
    pub alarm: bool,
    /// The parts that moved most, largest first.
    pub moved: Vec<Moved>,
}

/// A detector of a change since the version became stable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Detected {
    /// `disagreement` or `divergence`.
    pub metric: String,
    /// ln of its statistic; none before the first pair.
    pub log_statistic: Option<f64>,
    /// The alarm threshold.
    pub alarm_log: f64,
    /// Whether the threshold is reached.
    pub alarm: bool,
}

/// The last hour of one role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoleDrift {
    /// `stable` or `canary`.
    pub role: String,
    /// The version in that role.
    pub version: String,
    /// What everything here was counted in: at most the last hour.
    #[serde(default)]
    pub window_seconds: f64,
    /// Its answers in that time, compared or not.
    #[serde(default)]
    pub answers: u64,
    /// Share of pairs in which version and teacher have the same top class.
    pub agreement: Measured,
    /// Mean KL(teacher‖version) at T = 1, in nats.
    pub divergence: Measured,
    /// Mean T²·KL at the training temperature, in nats.
    pub divergence_at_temperature: Measured,
    /// Share of pairs in which the teacher's class was among the version's first five.
    pub top5_containment: Measured,
    /// Difference between confidence and agreement.
    pub calibration_error: Measured,
    /// Pairs whose divergence was clipped.
    pub clips: u64,
    /// Which classes the divergence comes from.
    pub by_class: Vec<Moved>,
    /// The distribution of the predictions; none without a reference.
    pub predictions: Option<Shifted>,
    /// Of independent scores: how often labels apply; those that moved most come first. None without a reference.
    #[serde(default)]
    pub labels: Vec<Shifted>,
    /// Statistics of pictures and answers; those that moved most come first.
    pub inputs: Vec<Shifted>,
    /// Detectors of a change; only for stable.
    pub detectors: Vec<Detected>,
}

impl RoleDrift {
    pub(super) fn new(window: &Window, settings: &DriftSettings) -> Self {
        let (seat, tally) = (&window.seat, &window.tally);
        let series = seat.beside_teacher();
        let nothing = Expected::default();
        let expected = series.map_or(&nothing, |series| series.expected());
        let names: Vec<&str> = seat.classes().names().collect();
        let measured = |estimate: Option<Estimate>, reference| Measured {
            observations: tally.pairs,
            value: estimate.map(|estimate| estimate.value),
            interval: estimate.map(|estimate| estimate.interval),
            reference,
        };
        let detectors = series.and_then(|series| series.detectors());
        Self {
            role: seat.role.to_string(),
            version: seat.version.name.to_string(),
            window_seconds: window.length.as_secs_f64(),
            answers: tally.predictions.iter().sum(),
            agreement: measured(tally.agreement(), expected.agreement),
            divergence: measured(tally.kl(), expected.kl_nats),
            divergence_at_temperature: measured(tally.at_temperature(), None),
            top5_containment: measured(tally.top5_containment(), None),
            calibration_error: Measured {
                observations: tally.pairs,
                value: tally.calibration.expected_error(),
                interval: None,
                reference: None,
            },
            clips: tally.clips,
            by_class: by_class(tally, &names),
            predictions: expected.classes.as_ref().map(|reference| {
                let name =
                    |class: usize| names.get(class).map_or(String::new(), |n| (*n).to_owned());
                shifted("predictions", reference, &tally.predictions, name, settings)
            }),
            labels: labels(tally, expected, &names, settings),
            inputs: inputs(tally, expected, settings),
            detectors: detectors
                .into_iter()
                .flat_map(|logs| detected(logs, settings))
                .collect(),
        }
    }
}

/// The classes that the divergence of the pairs comes from.
fn by_class(tally: &Tally, names: &[&str]) -> Vec<Moved> {
    let pairs = tally.pairs.max(1) as f64;
    let moved = names
        .iter()
        .zip(&tally.class_nats)
        .map(|(name, nats)| Moved {
            name: (*name).to_owned(),
            nats: nats / pairs,
            share: None,
            reference_share: None,
        });
    most(moved.filter(|moved| moved.nats > 0.0).collect())
}

/// Each label as a distribution over two cells: labels depend on each other, so only alone has each a known noise.
fn labels(
    tally: &Tally,
    expected: &Expected,
    names: &[&str],
    settings: &DriftSettings,
) -> Vec<Shifted> {
    let answers = tally.predictions.iter().sum::<u64>();
    let all = expected.labels.iter().zip(&tally.labels).zip(names);
    let mut labels: Vec<Shifted> = all
        .map(|((reference, count), name)| {
            // Counters are read one after the other, so a label may be ahead of the answers.
            let counts = [*count, answers.saturating_sub(*count)];
            let cell = |cell: usize| ["applies", "doesn't apply"][cell].to_owned();
            shifted(&format!("label {name}"), reference, &counts, cell, settings)
        })
        .collect();
    labels.sort_by(|one, other| beyond_noise(other).total_cmp(&beyond_noise(one)));
    labels.truncate(NAMED);
    labels
}

fn beyond_noise(shifted: &Shifted) -> f64 {
    shifted.kl_nats - shifted.noise_nats.unwrap_or(f64::INFINITY)
}

fn inputs(tally: &Tally, expected: &Expected, settings: &DriftSettings) -> Vec<Shifted> {
    let all = expected.watched.iter().zip(&tally.cells);
    let mut inputs: Vec<Shifted> = all
        .map(|(watched, counts)| {
            let reference = Reference::new(watched.cells.shares(), expected.samples.max(1));
            let name = |cell| {
                let [low, high] = watched.cells.bounds(cell);
                format!("{low:.4} to {high:.4}")
            };
            shifted(&watched.name, &reference, counts, name, settings)
        })
        .collect();
    inputs.sort_by(|one, other| beyond_noise(other).total_cmp(&beyond_noise(one)));
    inputs
}

fn shifted(
    name: &str,
    reference: &Reference,
    counts: &[u64],
    name_of: impl Fn(usize) -> String,
    settings: &DriftSettings,
) -> Shifted {
    let shift = reference.compare(counts);
    let parts = reference.contributions_nats(counts);
    let total = counts.iter().sum::<u64>().max(1) as f64;
    let moved = parts.enumerate().map(|(place, nats)| Moved {
        name: name_of(place),
        nats,
        share: Some(counts[place] as f64 / total),
        reference_share: Some(reference.shares()[place]),
    });
    let Shift {
        answers,
        kl_nats,
        psi,
        js_bits,
        bias_nats,
        noise_nats,
        ..
    } = shift;
    Shifted {
        name: name.to_owned(),
        observations: answers,
        kl_nats,
        bias_nats: Some(bias_nats).filter(|nats| nats.is_finite()),
        noise_nats: Some(noise_nats).filter(|nats| nats.is_finite()),
        psi,
        js_bits,
        alarm: settings.rule().fires(&shift),
        moved: most(moved.collect()),
    }
}

fn detected(logs: [f64; 2], settings: &DriftSettings) -> Vec<Detected> {
    let alarm_log = settings.alarm_log();
    let metrics = ["disagreement", "divergence"].into_iter().zip(logs);
    let detected = metrics.map(|(metric, log)| Detected {
        metric: metric.into(),
        log_statistic: Some(log).filter(|log| log.is_finite()),
        alarm_log,
        alarm: log >= alarm_log,
    });
    detected.collect()
}

fn most(mut moved: Vec<Moved>) -> Vec<Moved> {
    moved.sort_by(|one, other| other.nats.total_cmp(&one.nats));
    moved.truncate(NAMED);
    moved
}
