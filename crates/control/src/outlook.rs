//! What a decision about the next canary rests on: criteria, the present traffic, how far stable is from the teacher.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ControlError, ControlPlane, judge::Criteria};
use stillhouse_core::rollout::{Plan, Role};
use stillhouse_store::ModelName;

/// What an automatic canary of a model is judged by, and how fast evidence comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanReport {
    /// The model.
    pub model: String,
    /// The deployment's generation.
    pub generation: u64,
    /// Who leads the canary; `manual` without one.
    pub plan: Plan,
    /// With whom a canary is compared.
    pub stable: String,
    /// What both are compared with.
    pub teacher: Option<String>,
    /// The last version that a person approved, if stable is another one: it is compared as well.
    pub anchor: Option<String>,
    /// Which automatic try the canary is, or the next one would be.
    pub try_number: u32,
    /// The table `[judge]`.
    #[schema(value_type = serde_json::Value)]
    pub criteria: Criteria,
    /// Part of the answers that is sampled to be compared.
    pub sample_rate: f64,
    /// Runs of the teacher a second at most.
    pub teacher_budget_per_second: f64,
    /// What the following numbers were counted in: the last hour, or since stable became so.
    pub window_seconds: f64,
    /// Stable's answers.
    pub answers: u64,
    /// Of them, compared with the teacher.
    pub pairs: u64,
    /// Part of the pairs in which stable answers another class than the teacher; at validation, if there were none.
    pub disagreement: Option<f64>,
    /// Mean divergence of stable from the teacher, likewise.
    pub divergence_nats: Option<f64>,
}

impl ControlPlane {
    /// What is known about how the next canary of a model would be judged.
    ///
    /// # Errors
    /// There is no such model.
    pub fn plan(&self, name: &ModelName) -> Result<PlanReport, ControlError> {
        let model = self.model(name)?;
        let deployment = model.served.slot.load_full();
        let assignment = &deployment.assignment;
        let shadow = &model.served.shadow;
        let roles = shadow.last_hour(&deployment);
        let stable = roles.iter().find(|role| role.role == Role::Stable.as_str());
        let disagreement = stable.and_then(|role| {
            let agreement = role.agreement.value.or(role.agreement.reference)?;
            Some(1.0 - agreement)
        });
        let divergence =
            stable.and_then(|role| role.divergence.value.or(role.divergence.reference));
        let try_number = match assignment.plan {
            Plan::Automatic => assignment.tries.number(assignment.rollout),
            Plan::Manual => assignment.tries.next(),
        };
        Ok(PlanReport {
            model: name.to_string(),
            generation: assignment.generation,
            plan: assignment.plan,
            stable: assignment.stable.to_string(),
            teacher: assignment.filling(Role::Teacher).map(ToString::to_string),
            anchor: assignment.anchor.as_ref().map(ToString::to_string),
            try_number,
            criteria: model.trial.criteria().clone(),
            sample_rate: shadow.settings().rate,
            teacher_budget_per_second: shadow.settings().budget_per_second,
            window_seconds: stable.map_or(0.0, |role| role.window_seconds),
            answers: stable.map_or(0, |role| role.answers),
            pairs: stable.map_or(0, |role| role.agreement.observations),
            disagreement,
            divergence_nats: divergence,
        })
    }
}
