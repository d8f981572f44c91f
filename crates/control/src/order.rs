//! An order from an operator, or from the judge: checked, written down, published.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;

use super::{ControlError, ControlPlane, EventKind, journal::Entry, model::ControlledModel};
use stillhouse_core::{
    rollout::{Assignment, Authority, Change, Deployment, Plan, Role},
    version::Version,
};
use stillhouse_store::{ModelName, VersionName};

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
    /// Whether that is a person, who approves what becomes stable.
    pub by: Authority,
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
            let carried_out = control.carry_out(&order).await;
            if let Err(error) = &carried_out
                && !order.dry_run
            {
                control.refused(&order.model, order.change.action(), &order.actor, error);
            }
            carried_out
        })
        .await
        .map_err(|_| ControlError::Panicked)?
    }

    async fn carry_out(self: &Arc<Self>, order: &Order) -> Result<Changed, ControlError> {
        // A stale or senseless order must not cost a load.
        let current = self.assignment(&order.model)?;
        expect(order.expected, &current)?;
        let next = current.apply_by(&order.change, order.by)?;
        // Also of what is loaded: the next start must find what answers now.
        for version in newly_placed(&current, &next) {
            self.on_disk(&order.model, version).await?;
        }
        // Held until it has its role, so that it isn't unloaded before.
        let _brought = match order.change.brings() {
            Some(version) if !order.dry_run => Some(self.load(&order.model, version).await?),
            _ => None,
        };
        let _anchor = self.load_anchor(order, &next).await;
        let (control, committed) = (self.clone(), order.clone());
        let changed = tokio::task::spawn_blocking(move || control.commit(&committed))
            .await
            .map_err(|_| ControlError::Panicked)??;
        self.unload_later();
        Ok(changed)
    }

    /// The version that a canary is compared with beside stable, if it begins to be; held until it has its place. Whatever is
    /// wrong with it, it must not keep a canary from being judged: then that is never promoted automatically.
    async fn load_anchor(
        self: &Arc<Self>,
        order: &Order,
        next: &Assignment,
    ) -> Option<Arc<Version>> {
        let begins = matches!(order.change, Change::StartCanary(_) | Change::SetPlan(_));
        let anchor = next
            .compared_anchor()
            .filter(|_| begins && !order.dry_run)?;
        let loaded = self.load(&order.model, anchor).await;
        let failed = |error: &ControlError| {
            tracing::warn!(model = %order.model, version = %anchor, %error, "the last version that a person approved can't be loaded: the canary won't be promoted automatically");
        };
        loaded.inspect_err(failed).ok()
    }

    /// Publishes that something was not done.
    pub(super) fn refused(
        &self,
        model: &ModelName,
        action: &str,
        actor: &str,
        error: &ControlError,
    ) {
        let refused = EventKind::Refused {
            action: action.to_owned(),
            actor: actor.to_owned(),
            error: error.to_string(),
        };
        self.events.publish(model, refused);
    }

    /// Decides an order and carries the decision out, behind the model's gate. Blocks for a disk write.
    fn commit(&self, order: &Order) -> Result<Changed, ControlError> {
        let model = self.model(&order.model)?;
        let _gate = model.pool.gate();

        let before = model.assignment();
        expect(order.expected, &before)?;
        let mut after = before.apply_by(&order.change, order.by)?;
        count_try(&mut after, |canary| model.pool.get(canary));
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
            self.reconcile(model, &before, deployment, order);
        }
        Ok(Changed {
            before,
            after,
            undo,
        })
    }

    /// Makes what was decided true: from now on `deployment` answers. Only behind the model's gate, and only after the
    /// decision is durable.
    fn reconcile(
        &self,
        model: &ControlledModel,
        before: &Assignment,
        deployment: Deployment,
        order: &Order,
    ) {
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
        let deployed = EventKind::Deployed {
            action: action.to_owned(),
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            before: Box::new(before.clone()),
            after: Box::new(after),
        };
        self.events.publish(&order.model, deployed);
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

/// Counts the automatic try of a canary; of one that isn't loaded, for a dry run, nothing is known.
fn count_try(after: &mut Assignment, loaded: impl Fn(&VersionName) -> Option<Arc<Version>>) {
    let canary = after
        .canary
        .as_ref()
        .filter(|_| after.plan == Plan::Automatic);
    if let Some(canary) = canary.and_then(loaded) {
        let rollout = after.rollout;
        after.tries.begin(rollout, &canary.manifest.file.sha256);
    }
}

/// The versions that get a role which they don't have yet.
fn newly_placed<'a>(
    current: &'a Assignment,
    next: &'a Assignment,
) -> impl Iterator<Item = &'a VersionName> {
    Role::ALL.into_iter().filter_map(|role| {
        let version = next.filling(role);
        version.filter(|_| version != current.filling(role))
    })
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
