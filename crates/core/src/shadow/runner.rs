//! The shadow thread: takes samples, runs the versions that haven't answered them, compares.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use prometheus::HistogramVec;
use stillhouse_engine::Priority;

use super::{
    Counters, DriftSettings, Miss, Sample, ShadowSettings,
    admission::Admission,
    detectors::Detectors,
    engines::{Answers, ROWS, Run, ShadowEngines},
};
use crate::{
    rollout::{Deployment, Role, Seat, Slot, Source},
    version::Version,
    watchdog::{Watchdog, Work},
};
use stillhouse_drift::{
    comparison::{Comparison, PairMeasure, Scores},
    independent::Independent,
    sequential::{disagreement, divergence},
};
use stillhouse_image::{Limits, Thumbnail};
use stillhouse_store::{ModelName, manifest::OutputKind};

/// How long it sleeps while nothing waits, at first and at most. It is never woken: the thread that wakes another pays
/// for it, and that would be every sampled request (57 of 403 microseconds at the median, measured on a virtual
/// machine).
const SLEEPS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(64)];

/// Time between two checks whether live rows wait.
const CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// After this many checks one batch is run anyway: if a version's workers hang, its rows wait for ever.
const CHECKS: u32 = 5000;

/// The compared versions: valid as long as the same versions have the same roles in the same rollout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pairing {
    rollout: u64,
    seats: [usize; 3],
}

impl Pairing {
    /// The pairing of a deployment. Seats are identified by their addresses, so a pairing is valid only while its seats
    /// are alive.
    pub fn of(deployment: &Deployment) -> Self {
        let place = |role| {
            deployment
                .seat(role)
                .map_or(0, |seat| Arc::as_ptr(seat).addr())
        };
        Self {
            rollout: deployment.assignment.rollout,
            seats: Role::ALL.map(place),
        }
    }
}

impl Pairing {
    /// Of no seats, in this rollout: for tests of what compares pairings.
    pub fn of_rollout(rollout: u64) -> Self {
        Self {
            rollout,
            ..Self::default()
        }
    }
}

/// The result of one pair, canary against stable; from −1, much better, to 1, much worse.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Difference {
    /// The compared versions.
    pub pairing: Pairing,
    /// Difference in agreement with the teacher.
    pub disagreement: f64,
    /// Difference in clipped divergences, as a fraction of the clip.
    pub divergence: f64,
    /// Whether the canary's answer wasn't finite, and stable's was.
    pub non_finite: bool,
    /// Stable's class; none if it gave no answer that is finite.
    pub stable_class: Option<usize>,
    /// Whether the teacher was run for it.
    pub teacher_run: bool,
    /// A hash of the picture.
    pub picture: u64,
}

/// The result of one picture on one student.
enum StudentOutcome {
    Finite(PairMeasure),
    NotFinite,
    Failed,
}

impl StudentOutcome {
    fn measure(&self) -> Option<&PairMeasure> {
        match self {
            Self::Finite(measure) => Some(measure),
            Self::NotFinite | Self::Failed => None,
        }
    }
}

/// What a runner is created from; unlike the runner, which owns engines, it may be sent to another thread.
pub(super) struct RunnerParts {
    pub(super) slot: Arc<Slot>,
    pub(super) samples: Receiver<Sample>,
    pub(super) differences: Sender<Difference>,
    pub(super) counters: Arc<Counters>,
    pub(super) durations: HistogramVec,
    pub(super) settings: ShadowSettings,
    pub(super) drift: DriftSettings,
    pub(super) limits: Limits,
    pub(super) watchdog: Watchdog,
    pub(super) model: ModelName,
}

pub(super) struct Runner {
    slot: Arc<Slot>,
    samples: Receiver<Sample>,
    differences: Sender<Difference>,
    counters: Arc<Counters>,
    drift: DriftSettings,
    priority: Priority,
    admission: Admission,
    begun: Instant,
    engines: ShadowEngines,
    answers: [Answers; 3],
    comparison: Comparison,
    thumbnail: Thumbnail,
    detectors: Option<Detectors>,
}

impl Runner {
    pub(super) fn new(parts: RunnerParts) -> Self {
        let priority = match parts.settings.gives_way {
            true => Priority::Background,
            false => Priority::Foreground,
        };
        // Called on the runner's own thread.
        let watched = parts
            .watchdog
            .watch([parts.model.as_str(), ""], Work::Shadow);
        let engines = ShadowEngines::new(
            parts.limits,
            parts.durations,
            priority,
            parts.slot.clone(),
            watched,
        );
        Self {
            slot: parts.slot,
            samples: parts.samples,
            differences: parts.differences,
            counters: parts.counters,
            drift: parts.drift,
            priority,
            admission: Admission::new(&parts.settings),
            begun: Instant::now(),
            engines,
            answers: Default::default(),
            comparison: Comparison::default(),
            thumbnail: Thumbnail::new(),
            detectors: None,
        }
    }

    /// Works until every sender is dropped.
    pub(super) fn run(mut self) {
        if self.priority == Priority::Background {
            stillhouse_engine::give_way();
        }
        let mut batch = Vec::with_capacity(ROWS);
        let [shortest, longest] = SLEEPS;
        let mut nap = shortest;
        loop {
            match self.samples.try_recv() {
                Ok(first) => {
                    self.take(first, &mut batch);
                    nap = shortest;
                }
                Err(TryRecvError::Empty) => {
                    thread::sleep(nap);
                    nap = longest.min(2 * nap);
                }
                Err(TryRecvError::Disconnected) => return,
            }
            let current = self.slot.load_full();
            // Checked without traffic as well: this thread's engines must not keep a version that lost its role.
            self.engines.keep(&current);
            if self
                .detectors
                .as_ref()
                .is_some_and(|of| !of.is_of(&current.stable))
            {
                self.detectors = None;
            }
            self.admit(&mut batch, &current);
            if !batch.is_empty() {
                self.compare(&current, &batch);
            }
            batch.clear();
        }
    }

    /// Handles one batch: the first sample and all others that wait.
    fn take(&self, first: Sample, batch: &mut Vec<Sample>) {
        batch.push(first);
        batch.extend(self.samples.try_iter().take(ROWS - 1));
    }

    fn admit(&mut self, batch: &mut Vec<Sample>, current: &Deployment) {
        let (instant, pairing) = (Instant::now(), Pairing::of(current));
        let now = instant.saturating_duration_since(self.begun);
        batch.retain(|sample| {
            let same = Pairing::of(&sample.deployment) == pairing;
            let admitted = match same && current.teacher.is_some() {
                true => self.admission.admit(sample, now),
                false => Err(Miss::Superseded),
            };
            if let Err(why) = admitted {
                self.counters.missed(why, instant);
            }
            admitted.is_ok()
        });
    }

    /// Every sample of the batch was answered under the pairing of `current`.
    fn compare(&mut self, current: &Arc<Deployment>, batch: &[Sample]) {
        let Some(teacher) = &current.teacher else {
            return;
        };
        let [of_teacher, of_students @ ..] = &mut self.answers;
        of_teacher.begin(teacher, batch);
        // At normal priority it does not wait.
        let pause = || {
            if self.priority == Priority::Background {
                give_way(current);
            }
        };
        self.engines
            .run(teacher, batch, |_| true, pause, of_teacher);
        let sound = |index: usize| {
            of_teacher.run(index) == Run::Answered
                && of_teacher
                    .scores(index)
                    .iter()
                    .all(|score| score.is_finite())
        };
        let students = [Some(&current.stable), current.canary.as_ref()];
        for (seat, answers) in students.iter().zip(of_students) {
            if let Some(seat) = seat {
                answers.begin(seat, batch);
                self.engines.run(seat, batch, sound, pause, answers);
            }
        }
        for (index, sample) in batch.iter().enumerate() {
            let paired = self.pair(current, teacher, index, sample);
            let now = Instant::now();
            match paired {
                Ok(()) => {
                    self.counters.pairs.inc();
                    self.counters.starvation.fed(now);
                }
                Err(why) => self.counters.missed(why, now),
            }
        }
    }

    /// Compares the answers to one picture.
    fn pair(
        &mut self,
        current: &Deployment,
        teacher: &Seat,
        index: usize,
        sample: &Sample,
    ) -> Result<(), Miss> {
        let [of_teacher, of_stable, of_canary] = &self.answers;
        match of_teacher.run(index) {
            Run::Answered => {}
            Run::Failed => return Err(Miss::TeacherFailed),
            Run::Lost(why) => return Err(why),
        }
        let truth = scores(&teacher.version, of_teacher.scores(index));
        if !truth.are_finite() {
            teacher.not_finite(Source::Shadow);
            return Err(Miss::TeacherNonFinite);
        }
        let canary = current.canary.as_ref();
        // A picture that one of the versions can't read makes no pair.
        for answers in [Some(of_stable), canary.map(|_| of_canary)]
            .into_iter()
            .flatten()
        {
            if let Run::Lost(why) = answers.run(index) {
                return Err(why);
            }
        }
        self.comparison.begin(truth);
        let watched = sample.statistics(&mut self.thumbnail);
        let comparison = &mut self.comparison;
        let mut outcome = |seat: &Seat, answers: &Answers| {
            let outcome = student_outcome(seat, answers, index, truth, comparison);
            // The picture is the same for all versions, but each has its own cells for it.
            if let (Some(watched), Some(series)) = (&watched, seat.beside_teacher()) {
                watched
                    .named()
                    .for_each(|(name, value)| series.watch(name, value));
            }
            outcome
        };
        let stable = outcome(&current.stable, of_stable);
        let canary = canary.map(|seat| outcome(seat, of_canary));
        self.detectors(current).observe(stable.measure());
        if let Some(canary) = canary {
            let agrees = |of: &StudentOutcome| of.measure().map(|measure| measure.agrees);
            let nats = |of: &StudentOutcome| of.measure().map(|measure| measure.kl_nats);
            let difference = Difference {
                pairing: Pairing::of(current),
                disagreement: disagreement(agrees(&stable), agrees(&canary)),
                divergence: divergence(nats(&stable), nats(&canary), current.clip_nats()),
                non_finite: matches!(canary, StudentOutcome::NotFinite)
                    && matches!(stable, StudentOutcome::Finite(_)),
                stable_class: stable.measure().map(|measure| measure.top1),
                teacher_run: sample.role != Role::Teacher,
                picture: sample.picture(),
            };
            // The judge takes them twice a second; a full channel would delay only this thread.
            let _ = self.differences.send(difference);
        }
        Ok(())
    }

    fn detectors(&mut self, current: &Deployment) -> &mut Detectors {
        let (stable, clip_nats, drift) = (&current.stable, current.clip_nats(), &self.drift);
        self.detectors
            .get_or_insert_with(|| Detectors::new(stable.clone(), clip_nats, drift))
    }
}

/// Waits while live rows wait, because the machine is busy then; samples that overflow the queue meanwhile are dropped.
fn give_way(deployment: &Deployment) {
    let is_busy = || deployment.seats().any(|seat| seat.version.waiting() > 0);
    let mut checks = 0;
    while is_busy() && checks < CHECKS {
        thread::sleep(CHECK_INTERVAL);
        checks += 1;
    }
}

/// Measures one student and counts the result.
fn student_outcome(
    seat: &Seat,
    answers: &Answers,
    index: usize,
    truth: Scores,
    comparison: &mut Comparison,
) -> StudentOutcome {
    let series = seat.beside_teacher();
    let scores = scores(&seat.version, answers.scores(index));
    let answered = answers.run(index) == Run::Answered;
    if answered && scores.are_finite() {
        let measure = comparison.student(truth, scores, seat.version.temperature());
        if let Some(series) = series {
            series.observe(&measure, comparison);
        }
        return StudentOutcome::Finite(measure);
    }
    if let Some(series) = series {
        series.observe_worst(comparison.teacher_top1());
    }
    if !answered {
        return StudentOutcome::Failed;
    }
    seat.not_finite(Source::Shadow);
    StudentOutcome::NotFinite
}

fn scores<'a>(version: &'a Version, values: &'a [f32]) -> Scores<'a> {
    match version.manifest.output.kind {
        OutputKind::Logits => Scores::Logits(values),
        OutputKind::Probabilities => Scores::Probabilities(values),
        kind @ (OutputKind::Independent | OutputKind::IndependentLogits) => {
            Scores::Independent(Independent {
                outputs: values,
                are_logits: kind == OutputKind::IndependentLogits,
                thresholds: version.thresholds.as_deref().unwrap_or_default(),
            })
        }
    }
}
