//! Who controls a canary's rollout.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A canary's rollout plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// An operator decides; the judge only gathers evidence and reports what it would do.
    #[default]
    Manual,
    /// The judge moves it along the ramp, to promotion or abort.
    Automatic,
}

impl Plan {
    pub(super) fn is_manual(&self) -> bool {
        *self == Self::Manual
    }
}

/// The text is not a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a plan is `manual` or `automatic`")]
pub struct PlanError;

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        match text {
            "manual" => Ok(Self::Manual),
            "automatic" => Ok(Self::Automatic),
            _ => Err(PlanError),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manual => "manual",
            Self::Automatic => "automatic",
        })
    }
}
