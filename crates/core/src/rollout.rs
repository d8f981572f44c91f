//! Who answers: an immutable [`Deployment`] behind the one pointer that is ever swapped.
//!
//! [`Assignment`] says which version fills which role, as plain values; [`Change`] leads from one to the next, purely; a
//! [`Deployment`] is an assignment with the running versions in its seats.

mod assignment;
mod breaker;
mod change;
mod deployment;
mod live;
mod plan;
mod routing;
mod served;
pub mod split;
mod task;
mod traffic;
mod verb;

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use assignment::{Assignment, Share, ShareError, Split};
pub use change::{Change, ChangeRefused};
pub use deployment::{Deployment, NotLoaded, RolloutMetrics};
pub use live::{Counts, FIRST};
pub use plan::{Plan, PlanError};
pub use routing::RoutingSettings;
pub use served::{Attempt, Outcome, RequestMetrics, Seat, Source};
pub use task::Task;
pub use traffic::TrafficMetrics;
pub use verb::{
    Abort, Promote, Rollback, SetPlan, SetSplit, SetTeacher, Spelling, StartCanary, Verb,
};

/// The place a version fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The large network that taught the others.
    Teacher,
    /// Answers what the others don't.
    Stable,
    /// On trial.
    Canary,
}

impl Role {
    /// Each once.
    pub const ALL: [Self; 3] = [Self::Teacher, Self::Stable, Self::Canary];

    /// As it is written in answers and labels.
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

/// The one pointer of a model that is swapped: a reader takes it without a lock and keeps what it took.
pub struct Slot {
    current: ArcSwap<Deployment>,
}

impl Slot {
    /// A slot that begins with this deployment.
    pub fn new(first: Deployment) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
        }
    }

    /// The deployment of this moment.
    pub fn load(&self) -> Guard<Arc<Deployment>> {
        self.current.load()
    }

    /// The deployment of this moment, to be kept across an await.
    pub fn load_full(&self) -> Arc<Deployment> {
        self.current.load_full()
    }

    /// Every request that routes from now on sees `next`. Only `control` may call this.
    pub fn publish(&self, next: Deployment) {
        self.current.store(Arc::new(next));
    }
}
