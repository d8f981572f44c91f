//! The judge at work: looks at every canary twice a second, and orders what its verdict asks for.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use stillhouse_core::rollout::Role;
use stillhouse_store::ModelName;
use tokio::time::MissedTickBehavior;

use super::{
    ControlError, ControlPlane, EventKind,
    model::ControlledModel,
    trials::{EvidenceReport, LookResult},
};

/// How often the judge looks; its tests don't mind being looked at.
const LOOK: Duration = Duration::from_millis(500);

impl ControlPlane {
    /// Judges the canaries on trial, for ever.
    pub(super) async fn run_judge(self: Arc<Self>) {
        let clock = Clock::new();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for model in self.models.values() {
                self.look(model, &clock).await;
            }
            self.checkpoint(false).await;
        }
    }

    /// The last look before this process ends in order: what is known then is written down, and that it is all.
    pub async fn keep_evidence(self: &Arc<Self>) {
        let clock = Clock::new();
        for model in self.models.values() {
            let ControlledModel { served, trial, .. } = model;
            // What the verdict asks for now, the next process does.
            trial.look(served, &self.judging, Instant::now(), clock.hour());
        }
        self.checkpoint(true).await;
    }

    /// Writes down what is known of every canary, if that is due.
    async fn checkpoint(self: &Arc<Self>, clean: bool) {
        let Some(checkpoints) = self.checkpoints.clone() else {
            return;
        };
        let now = Instant::now();
        let saved = |(name, model): (&ModelName, &ControlledModel)| {
            Some((name.clone(), model.trial.save(now)?))
        };
        let trials = self.models.iter().filter_map(saved).collect();
        if clean || checkpoints.is_due(&trials, now) {
            let write = move || checkpoints.write(trials, clean, now);
            // A panic there was logged when it happened, and the next look tries again.
            let _ = tokio::task::spawn_blocking(write).await;
        }
    }

    /// Marks the evidence of every canary on trial as lost: a judge that panicked may have dropped some of it.
    pub(super) fn lose_evidence(&self) {
        for ControlledModel { served, trial, .. } in self.models.values() {
            trial.lose_evidence(&served.slot.load());
        }
    }

    /// What is known about a model's canary, and about its last.
    ///
    /// # Errors
    /// There is no such model.
    pub fn evidence(&self, name: &ModelName) -> Result<EvidenceReport, ControlError> {
        let model = self.model(name)?;
        let deployment = model.served.slot.load_full();
        let (on_trial, last) = model.trial.report(&deployment);
        Ok(EvidenceReport {
            model: name.to_string(),
            generation: deployment.assignment.generation,
            stable: deployment.assignment.stable.to_string(),
            teacher: deployment
                .assignment
                .filling(Role::Teacher)
                .map(ToString::to_string),
            on_trial,
            last,
        })
    }

    async fn look(self: &Arc<Self>, model: &ControlledModel, clock: &Clock) {
        let ControlledModel { served, trial, .. } = model;
        let name = &served.task.name;
        served
            .shadow
            .turn(&served.slot.load_full(), clock.since_epoch());
        let LookResult { order, evidence } =
            trial.look(served, &self.judging, Instant::now(), clock.hour());
        if let Some(report) = evidence {
            let report = Box::new(report);
            self.events.publish(name, EventKind::Evidence { report });
        }
        let Some(order) = order else {
            return;
        };
        let action = order.change.action();
        match self.execute(order).await {
            Ok(_) => self.judging.ordered(name, action),
            // An operator was faster: the next look sees what is there then.
            Err(ControlError::Stale { .. }) => {}
            Err(error) => {
                if trial.is_new_failure(error.to_string()) {
                    tracing::warn!(model = %name, action, %error, "what the judge ordered was not done");
                }
            }
        }
    }
}

/// The wall clock of the start, continued by a monotonic clock: windows stay intact when the clock is set.
struct Clock {
    started: Instant,
    at_start: Duration,
}

impl Clock {
    fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            at_start: since_epoch.unwrap_or_default(),
        }
    }

    fn since_epoch(&self) -> Duration {
        self.at_start + self.started.elapsed()
    }

    /// Of the day, UTC.
    fn hour(&self) -> u8 {
        (self.since_epoch().as_secs() / 3600 % 24) as u8
    }
}
