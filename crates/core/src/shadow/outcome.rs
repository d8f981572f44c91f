//! One student's answer to one picture, by itself and beside the teacher's.

use std::sync::Arc;

use super::engines::{Answers, Run};
use crate::{
    rollout::{Deployment, Seat},
    version::Version,
};
use stillhouse_drift::{
    comparison::{Comparison, PairMeasure, Scores},
    independent::Independent,
};
use stillhouse_store::manifest::OutputKind;

/// What a version answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    Finite(Scores<'a>),
    NotFinite,
    Failed,
}

impl<'a> Outcome<'a> {
    pub(super) fn of(version: &'a Version, answers: &'a Answers, index: usize) -> Self {
        let scores = scores(version, answers.scores(index));
        match answers.run(index) {
            Run::Answered if scores.are_finite() => Self::Finite(scores),
            Run::Answered => Self::NotFinite,
            Run::Failed | Run::Lost(_) => Self::Failed,
        }
    }

    pub(super) fn finite(self) -> Option<Scores<'a>> {
        match self {
            Self::Finite(scores) => Some(scores),
            Self::NotFinite | Self::Failed => None,
        }
    }
}

/// The anchor's answer to picture `index`; none if there is no anchor, or it can't read the picture.
pub(super) fn of_anchor<'a>(
    current: &'a Deployment,
    answers: &'a Answers,
    index: usize,
) -> Option<(&'a Arc<Version>, Outcome<'a>)> {
    let version = current.anchor.as_ref()?;
    match answers.run(index) {
        Run::Lost(_) => None,
        Run::Answered | Run::Failed => Some((version, Outcome::of(version, answers, index))),
    }
}

/// Measures a student beside the teacher that `comparison` was begun with; counts the result in the version's series if it
/// `is_counted`.
pub(super) fn measured(
    seat: &Seat,
    student: Outcome,
    truth: Scores,
    comparison: &mut Comparison,
    is_counted: bool,
) -> Option<PairMeasure> {
    let series = seat.beside_teacher().filter(|_| is_counted);
    let measure = uncounted(&seat.version, student, truth, comparison);
    match (&measure, series) {
        (Some(measure), Some(series)) => series.observe(measure, comparison),
        (None, Some(series)) => series.observe_worst(comparison.teacher_top1()),
        (_, None) => {}
    }
    measure
}

/// The same of a version without a seat, for which nothing is counted.
pub(super) fn uncounted(
    version: &Version,
    student: Outcome,
    truth: Scores,
    comparison: &mut Comparison,
) -> Option<PairMeasure> {
    let scores = student.finite()?;
    Some(comparison.student(truth, scores, version.temperature()))
}

/// A version's outputs as what they are.
pub(super) fn scores<'a>(version: &'a Version, values: &'a [f32]) -> Scores<'a> {
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
