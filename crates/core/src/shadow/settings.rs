//! `[shadow]` and `[drift]`: how much is compared, and which difference is worth an alarm.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use stillhouse_drift::marginal::AlertRule;

/// `[shadow]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShadowSettings {
    /// Part of the answers that is sampled to be compared, from 0 to 1.
    pub rate: f64,
    /// Teacher runs per second at most.
    pub budget_per_second: f64,
    /// Whether the thread that compares runs only where no other thread wants to.
    pub gives_way: bool,
    /// How many answers may wait to be compared.
    pub queue: usize,
    /// Seconds during which the same caller, or the same picture, counts once.
    pub cooldown_seconds: u64,
    /// How many callers and pictures are remembered for that.
    pub cooldown_keys: usize,
    /// Classes with series of their own in the metrics.
    pub max_classes: usize,
    /// Seconds without a pair, although answers are sampled, after which shadows count as starved.
    pub starved_after_seconds: u64,
}

impl Default for ShadowSettings {
    fn default() -> Self {
        Self {
            rate: 0.1,
            budget_per_second: 50.0,
            gives_way: true,
            queue: 64,
            cooldown_seconds: 60,
            cooldown_keys: 65_536,
            max_classes: 1000,
            starved_after_seconds: 60,
        }
    }
}

/// A setting has an impossible value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`shadow.{key}` is {value}: {expected}")]
pub struct ShadowSettingsError {
    key: &'static str,
    value: f64,
    expected: &'static str,
}

impl ShadowSettings {
    /// Checks the values that the thread relies on.
    ///
    /// # Errors
    /// The first value that is out of its range.
    pub fn check(&self) -> Result<(), ShadowSettingsError> {
        let budget = self.budget_per_second;
        let rules = [
            (
                (0.0..=1.0).contains(&self.rate),
                "rate",
                self.rate,
                "expected a part from 0 to 1",
            ),
            (
                budget > 0.0 && budget.is_finite(),
                "budget_per_second",
                budget,
                "expected a number above 0; rate = 0 turns shadows off",
            ),
            (
                self.queue > 0,
                "queue",
                self.queue as f64,
                "expected at least 1",
            ),
            (
                (1..1 << 31).contains(&self.cooldown_keys),
                "cooldown_keys",
                self.cooldown_keys as f64,
                "expected 1 to 2 147 483 647",
            ),
            (
                self.max_classes > 0,
                "max_classes",
                self.max_classes as f64,
                "expected at least 1",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, value, expected)) => Err(ShadowSettingsError {
                key,
                value,
                expected,
            }),
            None => Ok(()),
        }
    }

    /// How many callers and pictures are remembered.
    pub(super) fn keys(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.cooldown_keys).unwrap_or(NonZeroUsize::MIN)
    }

    /// How many of the 2⁶⁴ hash values are sampled.
    pub(super) fn threshold(&self) -> u128 {
        (self.rate.clamp(0.0, 1.0) * (1_u128 << 64) as f64) as u128
    }
}

/// `[drift]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriftSettings {
    /// Nats above its bias from which a shift of the classes or of the inputs is worth an alarm.
    pub effect_nats: f64,
    /// How many answers there must be before an alarm.
    pub answers: u64,
    /// Pairs between two false alarms of the detector that watches stable, on average at least.
    pub detector_run_length: f64,
}

impl Default for DriftSettings {
    fn default() -> Self {
        let AlertRule {
            effect_nats,
            answers,
        } = AlertRule::default();
        Self {
            effect_nats,
            answers,
            detector_run_length: 1e6,
        }
    }
}

impl DriftSettings {
    /// When a shift is worth an alarm.
    pub fn rule(&self) -> AlertRule {
        AlertRule {
            effect_nats: self.effect_nats,
            answers: self.answers,
        }
    }

    /// The threshold of the detectors' statistics for an alarm, as logarithm.
    pub fn alarm_log(&self) -> f64 {
        self.detector_run_length.ln()
    }
}
