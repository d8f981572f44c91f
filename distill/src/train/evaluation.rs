//! Evaluation between epochs.

use anyhow::Result;

use crate::{
    augment::Size,
    batches::Pixels,
    datasets::{Dataset, Splits},
    loss::LossWeights,
    measure,
    run::EpochMetrics,
    teacher::Teacher,
};

/// Number of pictures that a network evaluates at a time.
pub(super) const CHUNK: usize = 500;

/// The teacher's logits on the hold-out and test pictures.
pub(super) struct TeacherLogits {
    holdout: Vec<f32>,
    test: Vec<f32>,
}

impl TeacherLogits {
    pub(super) fn new(teacher: &mut dyn Teacher, data: &Splits, size: Size) -> Result<Self> {
        Ok(Self {
            holdout: logits(teacher, &data.holdout, size)?,
            test: logits(teacher, &data.test, size)?,
        })
    }
}

/// Logits of every picture of `dataset`, row-major `[pictures, classes]`.
///
/// # Errors
/// As [`Teacher::logits`].
pub fn logits(network: &mut dyn Teacher, dataset: &Dataset, size: Size) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(dataset.len() * network.classes());
    for start in (0..dataset.len()).step_by(CHUNK) {
        let pixels = Pixels::plain(dataset, start..dataset.len().min(start + CHUNK), size);
        all.extend(network.logits(&pixels)?);
    }
    Ok(all)
}

/// Scores the hold-out against labels and teacher, and sets the loss used for early stopping.
pub(super) fn holdout(
    metrics: &mut EpochMetrics,
    student: &mut dyn Teacher,
    data: &Splits,
    answers: Option<&TeacherLogits>,
    weights: LossWeights,
    size: Size,
) -> Result<()> {
    let logits = logits(student, &data.holdout, size)?;
    let mut loss = 0.0;
    if let Some(labels) = &data.holdout.labels {
        let score = measure::score(&logits, data.labels.len(), labels);
        loss += (1.0 - weights.alpha) * score.nll_nats;
        metrics.holdout = Some(score);
    }
    if let Some(answers) = answers {
        loss += weights.alpha
            * measure::compare_with_teacher(&answers.holdout, &logits, data.labels.len())
                .kl_mean_nats;
    }
    metrics.holdout_loss = Some(loss);
    Ok(())
}

/// Scores the test pictures against labels and teacher.
pub(super) fn test(
    metrics: &mut EpochMetrics,
    student: &mut dyn Teacher,
    data: &Splits,
    answers: Option<&TeacherLogits>,
    size: Size,
) -> Result<()> {
    if data.test.is_empty() {
        return Ok(());
    }
    let logits = logits(student, &data.test, size)?;
    metrics.test = data
        .test
        .labels
        .as_ref()
        .map(|labels| measure::score(&logits, data.labels.len(), labels));
    metrics.likeness = answers
        .map(|answers| measure::compare_with_teacher(&answers.test, &logits, data.labels.len()));
    Ok(())
}
