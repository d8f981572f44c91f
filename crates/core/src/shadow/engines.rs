//! The shadow thread's own engines, one for each compared version.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use prometheus::{Histogram, HistogramVec};
use stillhouse_engine::{Engine, Priority};

use super::{Miss, Sample};
use crate::{
    rollout::{Deployment, Role, Slot},
    version::Version,
    watchdog::{Until, Watched},
};
use stillhouse_image::Limits;

/// Rows of one run at most, if the version's own batches aren't smaller.
pub(super) const ROWS: usize = 16;

/// The version's own measured batch size suits shadows too; larger batches would only occupy a core's caches for
/// longer.
fn most_rows(version: &Version) -> usize {
    let best = version.batching.policy.max_batch;
    ROWS.min(best).min(version.batch_limit()).max(1)
}

/// The result of one picture on one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// Scores.
    Answered,
    /// The engine failed.
    Failed,
    /// This version can't read the picture.
    Lost(Miss),
}

/// One version's answers to a batch; its buffers are reused.
#[derive(Default)]
pub(super) struct Answers {
    classes: usize,
    scores: Vec<f32>,
    runs: Vec<Run>,
}

impl Answers {
    /// Starts a batch; samples that this version has answered live in its role already have their answer.
    pub(super) fn begin(&mut self, version: &Version, role: Option<Role>, samples: &[Sample]) {
        self.classes = version.manifest.output.classes;
        self.scores.clear();
        self.scores.resize(samples.len() * self.classes, 0.0);
        self.runs.clear();
        self.runs.resize(samples.len(), Run::Failed);
        for (index, sample) in samples.iter().enumerate() {
            if Some(sample.role) == role {
                self.answered(index, &sample.scores);
            }
        }
    }

    pub(super) fn run(&self, index: usize) -> Run {
        self.runs[index]
    }

    pub(super) fn scores(&self, index: usize) -> &[f32] {
        &self.scores[index * self.classes..][..self.classes]
    }

    fn answered(&mut self, index: usize, scores: &[f32]) {
        if scores.len() == self.classes {
            self.scores[index * self.classes..][..self.classes].copy_from_slice(scores);
            self.runs[index] = Run::Answered;
        }
    }
}

struct ShadowEngine {
    version: Arc<Version>,
    engine: Option<Box<dyn Engine>>,
    duration: Histogram,
    /// Its runs are of use while the version has a role.
    until: Until,
}

/// Built, run and dropped on this thread.
pub(super) struct ShadowEngines {
    engines: Vec<ShadowEngine>,
    limits: Limits,
    durations: HistogramVec,
    priority: Priority,
    slot: Arc<Slot>,
    watched: Watched,
    /// Indices in the batch of the samples to be run.
    wanted: Vec<usize>,
}

impl ShadowEngines {
    pub(super) fn new(
        limits: Limits,
        durations: HistogramVec,
        priority: Priority,
        slot: Arc<Slot>,
        watched: Watched,
    ) -> Self {
        Self {
            engines: Vec::new(),
            limits,
            durations,
            priority,
            slot,
            watched,
            wanted: Vec::with_capacity(ROWS),
        }
    }

    /// Drops the engines of versions that have no role.
    pub(super) fn keep(&mut self, deployment: &Deployment) {
        self.engines
            .retain(|engine| deployment.compares(Arc::as_ptr(&engine.version)));
    }

    /// Runs a version on every sample that it hasn't answered and that `goes_on` accepts; calls `pause` before each
    /// run.
    pub(super) fn run(
        &mut self,
        version: &Arc<Version>,
        samples: &[Sample],
        goes_on: impl Fn(usize) -> bool,
        pause: impl Fn(),
        answers: &mut Answers,
    ) {
        let mut wanted = std::mem::take(&mut self.wanted);
        wanted.clear();
        let open = |index: &usize| answers.run(*index) != Run::Answered && goes_on(*index);
        wanted.extend((0..samples.len()).filter(open));
        for rows in wanted.chunks(most_rows(version)) {
            pause();
            self.run_batch(version, samples, rows, answers);
            // One picture on which an engine fails must not lose the answers of the others.
            let failed =
                |answers: &Answers| rows.iter().all(|row| answers.run(*row) == Run::Failed);
            if rows.len() > 1 && failed(answers) {
                for row in rows {
                    self.run_batch(version, samples, std::slice::from_ref(row), answers);
                }
            }
        }
        self.wanted = wanted;
    }

    /// One run, followed by a pause while requests are answered.
    fn run_batch(
        &mut self,
        version: &Arc<Version>,
        samples: &[Sample],
        rows: &[usize],
        answers: &mut Answers,
    ) {
        let priority = self.priority;
        priority.run(|| self.run_now(version, samples, rows, answers));
    }

    fn run_now(
        &mut self,
        version: &Arc<Version>,
        samples: &[Sample],
        rows: &[usize],
        answers: &mut Answers,
    ) {
        let index = self.index_of(version);
        let shadow = &mut self.engines[index];
        let (limits, watched) = (&self.limits, &self.watched);
        let begun = Instant::now();
        let stopper = shadow.engine.as_ref().map(|engine| engine.stopper());
        watched.runs_version(&version.name, stopper.unwrap_or_default());
        // Where it is given up, it goes on when it can: this thread has idle priority anyway.
        let _running = watched.begin(shadow.until.clone());
        let run = catch_unwind(AssertUnwindSafe(|| {
            let engine = match &mut shadow.engine {
                Some(engine) => engine,
                none => {
                    let most = most_rows(version);
                    let built = version.engine(most).ok()?;
                    watched.runs(built.stopper());
                    none.insert(built)
                }
            };
            let input = engine.input(rows.len());
            let row_len = input.len() / rows.len();
            for (row, room) in rows.iter().zip(input.chunks_exact_mut(row_len)) {
                if let Err(why) = samples[*row].write(version, limits, room) {
                    answers.runs[*row] = Run::Lost(why);
                    room.fill(0.0);
                }
            }
            let scores = engine.run(rows.len()).ok()?;
            let classes = answers.classes;
            (scores.len() == rows.len() * classes).then_some(())?;
            for (row, scores) in rows.iter().zip(scores.chunks_exact(classes)) {
                if !matches!(answers.runs[*row], Run::Lost(_)) {
                    answers.answered(*row, scores);
                }
            }
            Some(())
        }));
        if run.is_err() {
            // An engine that panicked is not used again; dropping it may panic as well.
            let broken = shadow.engine.take();
            let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
        }
        shadow.duration.observe(begun.elapsed().as_secs_f64());
    }

    /// The index of the version's engine. A version has one engine here, whatever its role.
    fn index_of(&mut self, version: &Arc<Version>) -> usize {
        let mut engines = self.engines.iter();
        let known = engines.position(|engine| Arc::ptr_eq(&engine.version, version));
        known.unwrap_or_else(|| {
            let of = &[version.model.as_str(), version.name.as_str()];
            let (slot, of_version) = (self.slot.clone(), Arc::downgrade(version));
            let is_compared = move || slot.load().compares(of_version.as_ptr());
            self.engines.push(ShadowEngine {
                until: Until::While(Arc::new(is_compared)),
                version: version.clone(),
                engine: None,
                duration: version.series().series(&self.durations, of),
            });
            self.engines.len() - 1
        })
    }
}
