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
    AnchorDifference, Counters, Difference, DriftSettings, Minute, Miss, Pairing, Sample,
    ShadowSettings,
    admission::{Admission, key},
    asking::{Ask, Asking},
    detectors::{Detectors, Measured},
    engines::{Answers, ROWS, Run, ShadowEngines},
    outcome::{Outcome, measured, of_anchor, uncounted},
    requests::Requests,
};
use crate::{
    rollout::{Deployment, Role, Seat, Slot, Source},
    watchdog::{Watchdog, Work},
};
use stillhouse_drift::comparison::{Comparison, Scores};
use stillhouse_image::{Limits, Thumbnail};
use stillhouse_store::ModelName;

/// How long it sleeps while nothing waits, at first and at most. It is never woken: the thread that wakes another pays
/// for it, and that would be every sampled request (57 of 403 microseconds at the median, measured on a virtual
/// machine).
const SLEEPS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(64)];

/// Time between two checks whether live rows wait.
const CHECK_INTERVAL: Duration = Duration::from_millis(2);

/// After this many checks one batch is run anyway: if a version's workers hang, its rows wait for ever.
const CHECKS: u32 = 5000;

/// What a runner is created from; unlike the runner, which owns engines, it may be sent to another thread.
pub(super) struct RunnerParts {
    pub(super) slot: Arc<Slot>,
    pub(super) samples: Receiver<Sample>,
    pub(super) differences: Sender<Difference>,
    pub(super) minutes: Sender<Minute>,
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
    minutes: Sender<Minute>,
    counters: Arc<Counters>,
    drift: DriftSettings,
    priority: Priority,
    admission: Admission,
    requests: Requests,
    /// Samples that had found the queue full when that was last looked at.
    overflowed: u64,
    asking: Asking,
    begun: Instant,
    engines: ShadowEngines,
    answers: [Answers; 3],
    of_anchor: Answers,
    comparison: Comparison,
    thumbnail: Thumbnail,
    detectors: Option<Detectors>,
    /// The canary when it was last looked at: if it becomes stable, its trial says what it is.
    canary: Option<Arc<Seat>>,
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
            minutes: parts.minutes,
            counters: parts.counters,
            drift: parts.drift,
            priority,
            admission: Admission::new(&parts.settings),
            requests: Requests::new(parts.settings.keys()),
            overflowed: 0,
            asking: Asking::default(),
            begun: Instant::now(),
            engines,
            answers: Default::default(),
            of_anchor: Answers::default(),
            comparison: Comparison::default(),
            thumbnail: Thumbnail::new(),
            detectors: None,
            canary: None,
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
            self.watch_stable(&current);
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
        if let Some(minute) = self.requests.turn(pairing, now) {
            // Where nobody judges, nobody takes them.
            let _ = self.minutes.try_send(minute);
        }
        let overflowed = self.counters.dropped[Miss::QueueFull as usize].get();
        self.requests.offered(overflowed - self.overflowed);
        self.overflowed = overflowed;
        batch.retain(|sample| {
            let same = Pairing::of(&sample.deployment) == pairing;
            let admitted = match same && current.teacher.is_some() {
                true => self.admission.admit(sample, now),
                false => Err(Miss::Superseded),
            };
            self.requests.offered(u64::from(same));
            if let Err(why) = admitted {
                self.counters.missed(why, instant);
                if why == Miss::Cooldown {
                    self.requests.repeated(key(sample));
                }
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
        of_teacher.begin(&teacher.version, Some(Role::Teacher), batch);
        // At normal priority it does not wait.
        let pause = || {
            if self.priority == Priority::Background {
                give_way(current);
            }
        };
        let students = [Some(&current.stable), current.canary.as_ref()];
        for (seat, answers) in students.iter().zip(of_students.iter_mut()) {
            if let Some(seat) = seat {
                answers.begin(&seat.version, Some(seat.role), batch);
                self.engines
                    .run(&seat.version, batch, |_| true, pause, answers);
            }
        }
        if let Some(version) = &current.anchor {
            let answers = &mut self.of_anchor;
            answers.begin(version, None, batch);
            self.engines.run(version, batch, |_| true, pause, answers);
        }
        self.asking.decide(
            current,
            batch.len(),
            of_students.each_ref(),
            &self.of_anchor,
            |index| of_teacher.run(index) == Run::Answered,
            self.admission.uniform_part(),
        );
        self.admission.give_back(self.asking.spared());
        let is_asked = |index: usize| self.asking.of(index).is_asked;
        self.engines
            .run(&teacher.version, batch, is_asked, pause, of_teacher);
        for (index, sample) in batch.iter().enumerate() {
            let paired = self.pair(current, teacher, index, sample);
            let now = Instant::now();
            match paired {
                Ok(ask) => {
                    self.counters.pairs.inc();
                    // Without the teacher's answers nothing is judged, however many pairs there are.
                    if ask.is_asked {
                        self.counters.starvation.fed(now);
                    }
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
    ) -> Result<Ask, Miss> {
        let [of_teacher, of_stable, of_canary] = &self.answers;
        let ask = self.asking.of(index);
        let on_trial = current.canary.as_ref();
        // A picture that one of the versions can't read makes no pair.
        for answers in [Some(of_stable), on_trial.map(|_| of_canary)]
            .into_iter()
            .flatten()
        {
            if let Run::Lost(why) = answers.run(index) {
                return Err(why);
            }
        }
        let stable = Outcome::of(&current.stable.version, of_stable, index);
        let canary = on_trial.map(|seat| Outcome::of(&seat.version, of_canary, index));
        let students = [Some((&current.stable, stable)), on_trial.zip(canary)];
        for (seat, outcome) in students.into_iter().flatten() {
            if matches!(outcome, Outcome::NotFinite) {
                seat.not_finite(Source::Shadow);
            }
        }
        let anchor = of_anchor(current, &self.of_anchor, index);
        let (mut measures, mut beside_anchor) = ([None; 2], None);
        if ask.is_asked {
            let truth = truth(teacher, of_teacher, index)?;
            self.comparison.begin(truth);
            measures = students.map(|student| {
                let (seat, outcome) = student?;
                measured(seat, outcome, truth, &mut self.comparison, ask.is_uniform)
            });
            beside_anchor = anchor.and_then(|(version, outcome)| {
                uncounted(version, outcome, truth, &mut self.comparison)
            });
        }
        if let Some(canary) = canary {
            let beside = ask.is_asked.then_some(&self.comparison);
            let clip_nats = current.clip_nats();
            let [disagreement, divergence] =
                self.asking
                    .differences(index, [stable, canary], measures, beside, clip_nats);
            let anchor = anchor.map(|(_, anchor)| {
                let measures = [beside_anchor, measures[1]];
                let both = [anchor, canary];
                let [disagreement, divergence] = self
                    .asking
                    .differences(index, both, measures, beside, clip_nats);
                AnchorDifference {
                    disagreement,
                    divergence,
                }
            });
            let stable = stable.finite();
            let difference = Difference {
                pairing: Pairing::of(current),
                disagreement,
                divergence,
                // One caller counts once.
                non_finite: matches!(canary, Outcome::NotFinite)
                    && stable.is_some()
                    && on_trial.is_some_and(|seat| seat.is_first_failure(sample.counted_as())),
                stable_class: stable.map(Scores::top1),
                teacher_run: ask.is_asked && sample.role != Role::Teacher,
                picture: sample.picture(),
                anchor,
            };
            self.requests.pair(key(sample), [disagreement, divergence]);
            // The judge takes them twice a second; a full channel would delay only this thread.
            let _ = self.differences.send(difference);
        }
        if ask.is_uniform {
            self.watch(current, sample);
            if let Some(detectors) = &mut self.detectors {
                detectors.observe(measures[0].as_ref());
            }
        }
        Ok(ask)
    }

    /// Counts what the picture is like. It is the same for all versions, but each has its own cells for it.
    fn watch(&mut self, current: &Deployment, sample: &Sample) {
        let Some(watched) = sample.statistics(&mut self.thumbnail) else {
            return;
        };
        let students = [Some(&current.stable), current.canary.as_ref()];
        let series = students
            .into_iter()
            .flatten()
            .filter_map(|seat| seat.beside_teacher());
        for series in series {
            watched
                .named()
                .for_each(|(name, value)| series.watch(name, value));
        }
    }

    /// Begins to watch another stable version: against what its trial measured, if it was the canary.
    fn watch_stable(&mut self, current: &Deployment) {
        let (stable, clip_nats) = (&current.stable, current.clip_nats());
        if self.detectors.as_ref().is_none_or(|of| !of.is_of(stable)) {
            let canary = self.canary.take();
            let trial = canary.filter(|seat| Arc::ptr_eq(&seat.version, &stable.version));
            let trial = trial.and_then(|seat| Measured::of_trial(&seat, clip_nats));
            self.detectors = Some(Detectors::new(
                stable.clone(),
                trial,
                clip_nats,
                &self.drift,
            ));
        }
        self.canary.clone_from(&current.canary);
    }
}

/// The teacher's answer.
fn truth<'a>(teacher: &'a Seat, answers: &'a Answers, index: usize) -> Result<Scores<'a>, Miss> {
    match (
        answers.run(index),
        Outcome::of(&teacher.version, answers, index),
    ) {
        (Run::Lost(why), _) => Err(why),
        (_, Outcome::Finite(truth)) => Ok(truth),
        (_, Outcome::NotFinite) => {
            teacher.not_finite(Source::Shadow);
            Err(Miss::TeacherNonFinite)
        }
        (_, Outcome::Failed) => Err(Miss::TeacherFailed),
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
