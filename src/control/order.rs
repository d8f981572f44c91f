//! An order from an operator, or from the judge: checked, written down, published.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;

use super::{ControlError, ControlPlane, journal::Entry, model::ControlledModel};
use crate::{
    rollout::{Assignment, Change, Deployment},
    store::ModelName,
};

/// What is to be done, and on whose account.
#[derive(Clone, Debug)]
pub struct Order {
    /// The model.
    pub model: ModelName,
    /// What.
    pub change: Change,
    /// The generation that the order was made for; none forces it on whatever is there.
    pub expected: Option<u64>,
    /// Only says what would come out.
    pub dry_run: bool,
    /// Who, as the audit log names them.
    pub actor: String,
    /// Why, in their own words.
    pub reason: String,
    /// Of the request that brought it.
    pub request_id: String,
    /// What it rests on, for the audit log.
    pub detail: Option<serde_json::Value>,
}

/// What an order did, or would do.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The deployment before.
    pub before: Assignment,
    /// The deployment after; the same where nothing was to be done.
    pub after: Assignment,
    /// What leads back, where one order does.
    pub undo: Option<Change>,
}

impl ControlPlane {
    /// Loads the version that an order brings in, then carries it out. Goes on to its end even if the caller leaves.
    ///
    /// # Errors
    /// Nothing was changed then.
    pub async fn execute(self: &Arc<Self>, order: Order) -> Result<Changed, ControlError> {
        let control = self.clone();
        tokio::spawn(async move {
            // A stale or senseless order must not cost a load.
            let current = control.assignment(&order.model)?;
            expect(order.expected, &current)?;
            current.apply(&order.change)?;
            // Held until it has its role, so that no sweep takes it away before.
            let _brought = match order.change.brings() {
                Some(version) if order.dry_run => {
                    control.known(&order.model, version).await?;
                    None
                }
                Some(version) => Some(control.load(&order.model, version).await?),
                None => None,
            };
            let committing = control.clone();
            let changed = tokio::task::spawn_blocking(move || committing.commit(&order))
                .await
                .map_err(|_| ControlError::Panicked)??;
            control.unload_later();
            Ok(changed)
        })
        .await
        .map_err(|_| ControlError::Panicked)?
    }

    /// Decides an order and carries the decision out, behind the model's gate. Blocks for a disk write.
    fn commit(&self, order: &Order) -> Result<Changed, ControlError> {
        let model = self.model(&order.model)?;
        let _gate = model.pool.gate();

        let before = model.assignment();
        expect(order.expected, &before)?;
        let after = before.apply(&order.change)?;
        let undo = before.undo(&order.change);
        let same = Assignment {
            generation: before.generation,
            ..after.clone()
        };
        if same == before {
            return Ok(Changed {
                after: before.clone(),
                before,
                undo: None,
            });
        }
        if !order.dry_run {
            // Seated first: what isn't loaded must not be decided.
            let deployment = self.deployment(model, after.clone())?;
            self.decide(&order.entry(&before, &after))?;
            self.reconcile(model, deployment, order);
        }
        Ok(Changed {
            before,
            after,
            undo,
        })
    }

    /// Makes what was decided true: from now on `deployment` answers. Only behind the model's gate, and only after the
    /// decision is durable.
    fn reconcile(&self, model: &ControlledModel, deployment: Deployment, order: &Order) {
        let after = deployment.assignment.clone();
        let action = order.change.action();
        self.rollout
            .traffic()
            .published(&order.model, &deployment, Some(action));
        model.served.slot.publish(deployment);
        model.pool.assigned(&after, Instant::now());
        tracing::info!(
            model = %order.model,
            action,
            actor = order.actor,
            reason = order.reason,
            generation = after.generation,
            stable = after.stable.as_str(),
            canary = after.canary.as_ref().map(|version| version.as_str()),
            canary_share = %after.split.canary,
            "deployed"
        );
    }
}

impl Order {
    /// Its line in the audit log.
    fn entry(&self, from: &Assignment, to: &Assignment) -> Entry {
        Entry {
            time: Timestamp::now(),
            actor: self.actor.clone(),
            action: self.change.action().to_owned(),
            model: Some(self.model.clone()),
            reason: self.reason.clone(),
            request_id: self.request_id.clone(),
            from: Some(from.clone()),
            to: Some(to.clone()),
            detail: self.detail.clone(),
        }
    }
}

fn expect(expected: Option<u64>, current: &Assignment) -> Result<(), ControlError> {
    match expected {
        Some(expected) if expected != current.generation => Err(ControlError::Stale {
            expected,
            current: Box::new(current.clone()),
        }),
        _ => Ok(()),
    }
}
