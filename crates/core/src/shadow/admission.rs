//! Which sampled answers are compared: one per caller or picture and cool-down, within the teacher's budget.
//!
//! A sample is admitted only if the budget has a run left for it, though the teacher may not be asked about it in the end;
//! then the run is given back. Otherwise pictures about which it is asked more often would be dropped more often.

use std::time::Duration;

use super::{Miss, Sample, ShadowSettings};
use crate::rollout::Role;
use stillhouse_drift::cooldown::Cooldown;

/// How many seconds of the budget can be saved up during a pause, for runs that come at once.
const BURST_SECONDS: f64 = 1.0;

/// The part of the budget that is for pictures about which the teacher is asked whatever the students say.
const UNIFORM_BUDGET: f64 = 0.2;

/// Over how many seconds the rate of admitted samples is averaged.
const RATE_SECONDS: f64 = 10.0;

/// Pure except for its memory: the time is an argument.
pub(super) struct Admission {
    cooldown: Cooldown,
    per_second: f64,
    left: f64,
    asked_at: Duration,
    /// Admitted samples that cost a run of the teacher, a second; an exponential moving average.
    rate: f64,
    rated_at: Duration,
}

impl Admission {
    pub(super) fn new(settings: &ShadowSettings) -> Self {
        let interval = Duration::from_secs(settings.cooldown_seconds);
        Self {
            cooldown: Cooldown::new(interval, settings.cooldown_keys),
            per_second: settings.budget_per_second,
            // The first run must not wait until the budget has grown.
            left: (settings.budget_per_second * BURST_SECONDS).max(1.0),
            asked_at: Duration::ZERO,
            rate: 0.0,
            rated_at: Duration::ZERO,
        }
    }

    /// `now` is from a clock that never goes back.
    ///
    /// # Errors
    /// Why the sample is dropped.
    pub(super) fn admit(&mut self, sample: &Sample, now: Duration) -> Result<(), Miss> {
        // The budget is checked first: a sample that it refuses must not start a key's cool-down.
        let runs = sample.role != Role::Teacher;
        if runs && !self.affords(now) {
            return Err(Miss::Budget);
        }
        if !self.cooldown.admits(key(sample), now) {
            return Err(Miss::Cooldown);
        }
        if runs {
            self.left -= 1.0;
            self.count(now);
        }
        Ok(())
    }

    /// So many runs were not needed.
    pub(super) fn give_back(&mut self, runs: usize) {
        self.left = (self.left + runs as f64).min(self.most());
    }

    /// The part of the samples about which the teacher is asked whatever the students say: a fifth of its budget, from 0 to 1.
    /// It follows from samples that came before, so it has nothing to do with the next ones' answers.
    pub(super) fn uniform_part(&self) -> f64 {
        (self.per_second * UNIFORM_BUDGET / self.rate).min(1.0)
    }

    fn count(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.rated_at).as_secs_f64();
        self.rated_at = self.rated_at.max(now);
        self.rate = self.rate * (-passed / RATE_SECONDS).exp() + 1.0 / RATE_SECONDS;
    }

    fn most(&self) -> f64 {
        (self.per_second * BURST_SECONDS).max(1.0)
    }

    fn affords(&mut self, now: Duration) -> bool {
        let earned = now.saturating_sub(self.asked_at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(self.most());
        self.asked_at = now;
        self.left >= 1.0
    }
}

/// The caller if it is known; otherwise the picture itself, so that a replayed picture still counts once.
pub(super) fn key(sample: &Sample) -> u64 {
    sample.caller.unwrap_or_else(|| sample.picture())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(budget_per_second: f64) -> Admission {
        Admission::new(&ShadowSettings {
            budget_per_second,
            ..ShadowSettings::default()
        })
    }

    #[test]
    fn the_uniform_part_uses_a_fifth_of_the_budget() {
        let mut slow = admission(50.0);
        assert_eq!(slow.uniform_part(), 1.0, "nothing is known yet");
        // 8 samples a second, then 400.
        (0..800).for_each(|n| slow.count(Duration::from_millis(n * 125)));
        assert_eq!(slow.uniform_part(), 1.0);
        let since = Duration::from_secs(100);
        (0..20_000).for_each(|n| slow.count(since + Duration::from_micros(n * 2500)));
        let part = slow.uniform_part();
        assert!((part - 10.0 / 400.0).abs() < 0.002, "{part}");
    }

    #[test]
    fn runs_that_are_spared_are_not_saved_up() {
        let mut admission = admission(4.0);
        assert!(admission.affords(Duration::ZERO));
        admission.left -= 4.0;
        assert!(!admission.affords(Duration::ZERO));
        admission.give_back(1);
        assert!(admission.affords(Duration::ZERO));
        admission.give_back(100);
        assert_eq!(admission.left, 4.0);
    }
}
