//! An order from an operator, or from the judge: checked, written down, published.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;

use super::{ControlError, ControlPlane, journal::Entry};
use crate::{
    rollout::{Assignment, Change},
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
            control.sweep_later();
            Ok(changed)
        })
        .await
        .map_err(|_| ControlError::Panicked)?
    }

    /// From reading the deployment to publishing the next, behind the model's gate. Blocks for a disk write.
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
        if order.dry_run {
            return Ok(Changed {
                before,
                after,
                undo,
            });
        }

        let deployment = self.deployment(model, after.clone())?;
        self.record(&Entry {
            time: Timestamp::now(),
            actor: order.actor.clone(),
            action: order.change.action().to_owned(),
            model: Some(order.model.clone()),
            reason: order.reason.clone(),
            request_id: order.request_id.clone(),
            from: Some(before.clone()),
            to: Some(after.clone()),
            detail: order.detail.clone(),
        })?;
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
        Ok(Changed {
            before,
            after,
            undo,
        })
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
