//! The loss of a student: (1−α)·CE(hard) + α·T²·KL(teacher_T ‖ student_T), the mean over a batch.

use burn::tensor::{Device, Tensor, TensorData, activation::log_softmax};

/// The targets of one batch, row-major `[pictures, classes]`.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    /// Weights of the labels: a single 1 per row, or two weights if pictures were mixed. Empty without labels.
    pub hard: Vec<f32>,
    /// The teacher's probabilities at temperature T. Empty without a teacher.
    pub soft: Vec<f32>,
}

/// Temperature and weights of the two kinds of targets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossWeights {
    /// T.
    pub temperature: f64,
    /// α, the weight of the soft targets.
    pub alpha: f64,
}

impl LossWeights {
    /// Labels alone.
    pub const LABELS: Self = Self {
        temperature: 1.0,
        alpha: 0.0,
    };
}

/// The loss of `logits` (`[pictures, classes]`), as a scalar for the backward pass.
pub fn loss(
    logits: Tensor<2>,
    targets: &Targets,
    weights: LossWeights,
    device: &Device,
) -> Tensor<1> {
    let [rows, classes] = logits.dims();
    let tensor = |values: &[f32]| {
        Tensor::<2>::from_data(TensorData::new(values.to_vec(), [rows, classes]), device)
    };
    let hard = (weights.alpha < 1.0).then(|| {
        let cross_entropy = (log_softmax(logits.clone(), 1) * tensor(&targets.hard))
            .sum()
            .neg();
        cross_entropy * ((1.0 - weights.alpha) / rows as f64)
    });
    let soft = (weights.alpha > 0.0).then(|| {
        let t = weights.temperature;
        let cross_entropy = (log_softmax(logits / t, 1) * tensor(&targets.soft))
            .sum()
            .neg();
        // Subtracting the teacher's entropy, a constant, makes the loss 0 if the student equals the teacher.
        (cross_entropy - entropy(&targets.soft)) * (weights.alpha * t * t / rows as f64)
    });
    match (hard, soft) {
        (Some(hard), Some(soft)) => hard + soft,
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => unreachable!("α is below 1 or above 0"),
    }
}

/// Σ −p ln p over all rows, in nats.
fn entropy(probabilities: &[f32]) -> f64 {
    probabilities
        .iter()
        .map(|&p| f64::from(p))
        .filter(|&p| p > 0.0)
        .map(|p| -p * p.ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::softmax;

    fn value(logits: [f32; 3], targets: &Targets, weights: LossWeights) -> f32 {
        let device = Device::flex().autodiff();
        loss(
            Tensor::from_data([logits], &device),
            targets,
            weights,
            &device,
        )
        .into_scalar()
    }

    #[test]
    fn a_student_that_is_its_teacher_loses_nothing() {
        let z = [2.0, -1.0, 0.5];
        for temperature in [1.0, 4.0, 20.0] {
            let soft = softmax(&z, temperature).map(|p| p as f32).collect();
            let targets = Targets {
                hard: vec![1.0, 0.0, 0.0],
                soft,
            };
            let loss = value(
                z,
                &targets,
                LossWeights {
                    temperature,
                    alpha: 1.0,
                },
            );
            assert!(loss.abs() < 1e-3, "T = {temperature}: {loss}");
        }
    }

    #[test]
    fn the_sum_is_the_formula() {
        let (teacher, student): ([f32; 3], [f32; 3]) = ([3.0, 1.0, -2.0], [1.0, 1.5, 0.0]);
        let (t, alpha) = (4.0, 0.9);
        let p: Vec<f64> = softmax(&teacher, t).collect();
        let q: Vec<f64> = softmax(&student, t).collect();
        let kl: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
        let hard = -softmax(&student, 1.0).nth(2).unwrap().ln();
        let expected = (1.0 - alpha) * hard + alpha * t * t * kl;
        let targets = Targets {
            hard: vec![0.0, 0.0, 1.0],
            soft: p.iter().map(|&p| p as f32).collect(),
        };
        let loss = f64::from(value(
            student,
            &targets,
            LossWeights {
                temperature: t,
                alpha,
            },
        ));
        assert!((loss - expected).abs() < 1e-4, "{loss} {expected}");
    }
}
