//! One student's answer to one picture, by itself and beside the teacher's.

use super::engines::{Answers, Run};
use crate::{rollout::Seat, version::Version};
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
    let temperature = seat.version.temperature();
    let measure = student
        .finite()
        .map(|scores| comparison.student(truth, scores, temperature));
    match (&measure, series) {
        (Some(measure), Some(series)) => series.observe(measure, comparison),
        (None, Some(series)) => series.observe_worst(comparison.teacher_top1()),
        (_, None) => {}
    }
    measure
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
