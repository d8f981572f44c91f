//! Which version answers: an immutable [`Deployment`] behind one pointer that is replaced atomically.
//!
//! [`Assignment`] holds the version in each role, as plain values; [`Change`] computes the next assignment, purely; a
//! [`Deployment`] is an assignment with its loaded versions, each in a [`Seat`].

mod approval;
mod assignment;
mod breaker;
mod change;
mod deployment;
mod live;
mod plan;
mod routing;
mod served;
mod share;
pub mod split;
mod task;
mod traffic;
mod verb;

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use approval::{Authority, TriedNetwork, Tries};
pub use assignment::{Assignment, Split};
pub use change::{Change, ChangeRefused};
pub use deployment::{Deployment, NotSeated, RolloutMetrics};
pub use live::{Counts, FIRST, Failure};
pub use plan::{Plan, PlanError};
pub use routing::RoutingSettings;
pub use served::{Attempt, Outcome, RequestMetrics, Seat, Source};
pub use share::{Share, ShareError, written};
pub use task::Task;
pub use traffic::TrafficMetrics;
pub use verb::{
    Abort, Promote, Rollback, SetPlan, SetSplit, SetTeacher, Spelling, StartCanary, Verb,
};

/// What a version is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The large network that the other versions were trained from.
    Teacher,
    /// Answers all requests that the others don't.
    Stable,
    /// The canary being judged.
    Canary,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Teacher, Self::Stable, Self::Canary];

    /// Its name in answers and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Stable => "stable",
            Self::Canary => "canary",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The pointer to a model's current deployment: a reader takes it without a lock and keeps the deployment it got.
pub struct Slot {
    current: ArcSwap<Deployment>,
}

impl Slot {
    /// A slot that holds this deployment at first.
    pub fn new(first: Deployment) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
        }
    }

    /// The current deployment.
    pub fn load(&self) -> Guard<Arc<Deployment>> {
        self.current.load()
    }

    /// The current deployment, to be kept across an await.
    pub fn load_full(&self) -> Arc<Deployment> {
        self.current.load_full()
    }

    /// Every request that is routed from now on uses `next`. Only `control` may call this.
    pub fn publish(&self, next: Deployment) {
        self.current.store(Arc::new(next));
    }
}
