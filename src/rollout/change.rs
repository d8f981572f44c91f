//! What an operator, or the judge, may do to an [`Assignment`]; pure.

use serde::{Deserialize, Serialize};

use super::{
    assignment::{Assignment, Share},
    plan::Plan,
};
use crate::store::VersionName;

/// One step from an assignment to the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Change {
    /// Puts a version on trial, with a share of the traffic; 0 makes it a dark canary.
    StartCanary {
        /// The version.
        version: VersionName,
        /// Its share.
        share: Share,
        /// Who leads it.
        #[serde(default)]
        plan: Plan,
    },
    /// Gives the canary's way into other hands.
    SetPlan {
        /// Whose.
        plan: Plan,
    },
    /// Gives canary and teacher other shares; what is left out stays.
    SetSplit {
        /// The canary's.
        #[serde(default)]
        canary: Option<Share>,
        /// The teacher's.
        #[serde(default)]
        teacher: Option<Share>,
    },
    /// The canary becomes stable; the old stable stays warm as `previous`.
    Promote,
    /// Takes the canary out.
    Abort,
    /// The previous version, or the one named, becomes stable; the old stable becomes `previous`.
    Rollback {
        /// Another version than the previous one.
        #[serde(default)]
        to: Option<VersionName>,
    },
    /// Fills the teacher's role, or empties it.
    SetTeacher {
        /// The version; none empties the role.
        version: Option<VersionName>,
    },
}

/// Every action, as it stands in the audit log and in labels.
pub const ACTIONS: [&str; 7] = [
    "start_canary",
    "set_plan",
    "set_split",
    "promote",
    "abort",
    "rollback",
    "set_teacher",
];

impl Change {
    /// As it stands in the audit log and in labels.
    pub fn action(&self) -> &'static str {
        match self {
            Self::StartCanary { .. } => "start_canary",
            Self::SetPlan { .. } => "set_plan",
            Self::SetSplit { .. } => "set_split",
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Rollback { .. } => "rollback",
            Self::SetTeacher { .. } => "set_teacher",
        }
    }

    /// The version that it brings in by name: it must be loaded first.
    pub fn brings(&self) -> Option<&VersionName> {
        match self {
            Self::StartCanary { version, .. } => Some(version),
            Self::Rollback { to } => to.as_ref(),
            Self::SetTeacher { version } => version.as_ref(),
            Self::SetPlan { .. } | Self::SetSplit { .. } | Self::Promote | Self::Abort => None,
        }
    }
}

/// Why a change can't follow on an assignment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is nothing on trial.
    #[error("there is no canary; start one first")]
    NoCanary,
    /// One trial at a time.
    #[error("{0} is the canary already; promote or abort it first, or change its share")]
    CanaryExists(VersionName),
    /// There is no way back.
    #[error("there is no previous version; name the one to go back to")]
    NoPrevious,
    /// A share for nobody.
    #[error("there is no teacher to give a share to")]
    NoTeacher,
    /// One version can't be compared with itself.
    #[error("{version} is the {role} already")]
    RoleTaken {
        /// The version named.
        version: VersionName,
        /// What it is.
        role: super::Role,
    },
    /// More than everything.
    #[error("canary {canary} and teacher {teacher} are more than 100% together")]
    TooMuch {
        /// The canary's share.
        canary: Share,
        /// The teacher's share.
        teacher: Share,
    },
}

impl Assignment {
    /// The next assignment. It equals this one but for the generation where nothing was to be done.
    ///
    /// # Errors
    /// A change that doesn't make sense here.
    pub fn apply(&self, change: &Change) -> Result<Self, Refusal> {
        let mut next = self.clone();
        next.generation += 1;
        match change {
            Change::StartCanary {
                version,
                share,
                plan,
            } => {
                if let Some(canary) = &self.canary {
                    return Err(Refusal::CanaryExists(canary.clone()));
                }
                self.free(version)?;
                next.canary = Some(version.clone());
                next.rollout += 1;
                next.split.canary = *share;
                next.plan = *plan;
            }
            Change::SetPlan { plan } => {
                if self.canary.is_none() {
                    return Err(Refusal::NoCanary);
                }
                next.plan = *plan;
            }
            Change::SetSplit { canary, teacher } => {
                next.split.canary = canary.unwrap_or(self.split.canary);
                next.split.teacher = teacher.unwrap_or(self.split.teacher);
            }
            Change::Promote => {
                let canary = next.canary.take().ok_or(Refusal::NoCanary)?;
                next.stabilise(canary);
            }
            Change::Abort => {
                next.canary.take().ok_or(Refusal::NoCanary)?;
                next.split.canary = Share::default();
                next.plan = Plan::Manual;
            }
            Change::Rollback { to } => {
                let target = to.clone().or_else(|| self.previous.clone());
                let target = target.ok_or(Refusal::NoPrevious)?;
                if target == self.stable || self.teacher.as_ref() == Some(&target) {
                    self.free(&target)?;
                }
                // Whoever rolls back wants no experiment on top of the old version.
                next.canary = None;
                next.stabilise(target);
            }
            Change::SetTeacher { version: None } => {
                next.teacher = None;
                next.split.teacher = Share::default();
            }
            Change::SetTeacher {
                version: Some(version),
            } => {
                if self.teacher.as_ref() != Some(version) {
                    self.free(version)?;
                }
                next.teacher = Some(version.clone());
            }
        }
        next.check_shares()?;
        Ok(next)
    }

    /// The change that leads back from `next` to this assignment's versions and shares, where one step does.
    pub fn undo(&self, change: &Change) -> Option<Change> {
        match change {
            Change::StartCanary { .. } => Some(Change::Abort),
            Change::SetPlan { .. } => Some(Change::SetPlan { plan: self.plan }),
            Change::SetSplit { .. } => Some(Change::SetSplit {
                canary: self.canary.is_some().then_some(self.split.canary),
                teacher: self.teacher.is_some().then_some(self.split.teacher),
            }),
            Change::Promote => Some(Change::Rollback { to: None }),
            Change::Rollback { .. } => Some(Change::Rollback {
                to: Some(self.stable.clone()),
            }),
            Change::Abort => Some(Change::StartCanary {
                version: self.canary.clone()?,
                share: self.split.canary,
                plan: self.plan,
            }),
            Change::SetTeacher { .. } => Some(Change::SetTeacher {
                version: self.teacher.clone(),
            }),
        }
    }

    fn stabilise(&mut self, version: VersionName) {
        let old = std::mem::replace(&mut self.stable, version);
        self.previous = Some(old);
        self.split.canary = Share::default();
        self.plan = Plan::Manual;
    }

    /// Whether a version fills no role yet. `previous` is none: whoever was rolled back may be tried again.
    fn free(&self, version: &VersionName) -> Result<(), Refusal> {
        let taken = super::Role::ALL
            .into_iter()
            .find(|role| self.filling(*role) == Some(version));
        match taken {
            None => Ok(()),
            Some(role) => Err(Refusal::RoleTaken {
                version: version.clone(),
                role,
            }),
        }
    }

    fn check_shares(&self) -> Result<(), Refusal> {
        let (canary, teacher) = (self.split.canary, self.split.teacher);
        if canary > Share::default() && self.canary.is_none() {
            return Err(Refusal::NoCanary);
        }
        if teacher > Share::default() && self.teacher.is_none() {
            return Err(Refusal::NoTeacher);
        }
        if !self.split.fits() {
            return Err(Refusal::TooMuch { canary, teacher });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
