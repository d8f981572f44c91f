//! Which sampled answers are compared: one per caller or picture and cool-down, within the teacher's budget.

use std::time::Duration;

use super::{Miss, Sample, ShadowSettings};
use crate::rollout::Role;
use stillhouse_drift::cooldown::Cooldown;

/// How many seconds of the budget can be saved up during a pause, for runs that come at once.
const BURST_SECONDS: f64 = 1.0;

/// Pure except for its memory: the time is an argument.
pub(super) struct Admission {
    cooldown: Cooldown,
    per_second: f64,
    left: f64,
    asked_at: Duration,
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
        }
        Ok(())
    }

    fn affords(&mut self, now: Duration) -> bool {
        let most = (self.per_second * BURST_SECONDS).max(1.0);
        let earned = now.saturating_sub(self.asked_at).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(most);
        self.asked_at = now;
        self.left >= 1.0
    }
}

/// The caller if it is known; otherwise the picture itself, so that a replayed picture still counts once.
fn key(sample: &Sample) -> u64 {
    sample.caller.unwrap_or_else(|| sample.picture())
}
