//! The learning rate over time.

use std::f64::consts::PI;

use crate::config::{Decay, Schedule};

/// The rate of step `step` (counted from 1): a linear rise, then the decay to the end of the last epoch.
pub(super) fn at(schedule: &Schedule, step: usize, steps_per_epoch: usize) -> f64 {
    let warmup = schedule.warmup_epochs * steps_per_epoch as f64;
    let total = (schedule.epochs * steps_per_epoch) as f64;
    let now = step as f64 - 1.0;
    if now < warmup {
        return schedule.learning_rate * (now + 1.0) / warmup.max(1.0);
    }
    let gone = ((now - warmup) / (total - warmup).max(1.0)).clamp(0.0, 1.0);
    schedule.learning_rate
        * match schedule.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => 0.5 * (1.0 + (PI * gone).cos()),
            Decay::Linear => 1.0 - gone,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Optimizer;

    #[test]
    fn rises_then_falls_as_asked() {
        let check = |decay, step, expected: f64| {
            let schedule = Schedule {
                epochs: 10,
                batch: 1,
                optimizer: Optimizer::Sgd,
                learning_rate: 2.0,
                decay,
                warmup_epochs: 2.0,
                momentum: 0.9,
                weight_decay: 0.0,
                weight_norm_limit: None,
                patience: None,
                evaluate_every: 1,
            };
            let rate = at(&schedule, step, 10);
            assert!((rate - expected).abs() < 1e-9, "{decay:?} {step}: {rate}");
        };
        check(Decay::Cosine, 1, 0.1);
        check(Decay::Cosine, 20, 2.0);
        check(Decay::Cosine, 21, 2.0);
        check(Decay::Cosine, 61, 1.0);
        check(Decay::Linear, 61, 1.0);
        check(Decay::Linear, 81, 0.5);
        check(Decay::Constant, 100, 2.0);
    }
}
