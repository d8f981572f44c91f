//! Who answers: an immutable [`Deployment`] behind the one pointer that is ever swapped.

mod served;

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use serde::Serialize;
use utoipa::ToSchema;

pub use served::{Attempt, Outcome, RequestMetrics, Seat};

/// The place a version fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers the traffic.
    Stable,
}

impl Role {
    /// As it is written in answers and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which version fills which role. Never changed in place: every change makes the next generation.
pub struct Deployment {
    /// Counts the changes; a server's first deployment is 1.
    pub generation: u64,
    /// Answers the traffic.
    pub stable: Seat,
}

impl Deployment {
    /// The seat that answers a request.
    pub fn route(&self) -> &Seat {
        &self.stable
    }

    /// Every filled seat.
    pub fn seats(&self) -> impl Iterator<Item = &Seat> {
        std::iter::once(&self.stable)
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
}
