//! What an operator, or the judge, may do to an [`Assignment`]; pure.

use super::{
    approval::Authority,
    assignment::Assignment,
    plan::Plan,
    share::Share,
    verb::{Abort, Promote, Rollback, SetPlan, SetSplit, SetTeacher, Spelling, StartCanary, Verb},
};
use stillhouse_store::VersionName;

/// The only list of verbs: creates the enum, and everything that is done for each of them.
macro_rules! changes {
    ($($verb:ident),* $(,)?) => {
        /// One step from an assignment to the next.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Change {
            $(
                #[doc = concat!("See [`", stringify!($verb), "`].")]
                $verb($verb)
            ),*
        }

        /// Every action, by its name in the audit log and in labels.
        pub(crate) const ACTIONS: &[&str] = &[$($verb::ACTION),*];

        impl Change {
            /// Its name in the audit log and in labels.
            pub fn action(&self) -> &'static str {
                match self {
                    $(Self::$verb(_) => $verb::ACTION),*
                }
            }

            /// How it is written over HTTP and in a terminal.
            pub fn spelling(&self) -> Spelling {
                match self {
                    $(Self::$verb(verb) => verb.spelling()),*
                }
            }
        }

        $(
            impl From<$verb> for Change {
                fn from(verb: $verb) -> Self {
                    Self::$verb(verb)
                }
            }
        )*
    };
}

changes!(
    StartCanary,
    SetPlan,
    SetSplit,
    Promote,
    Abort,
    Rollback,
    SetTeacher
);

impl Change {
    /// The version that it gives a role to by name: this version must be loaded first.
    pub fn brings(&self) -> Option<&VersionName> {
        match self {
            Self::StartCanary(start) => Some(&start.version),
            Self::Rollback(rollback) => rollback.to.as_ref(),
            Self::SetTeacher(teacher) => teacher.version.as_ref(),
            Self::SetPlan(_) | Self::SetSplit(_) | Self::Promote(_) | Self::Abort(_) => None,
        }
    }
}

/// Why a change can't be applied to an assignment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// There is no canary.
    #[error("there is no canary; start one first")]
    NoCanary,
    /// Only one canary at a time.
    #[error("{0} is already the canary; promote or abort it first, or change its share")]
    CanaryExists(VersionName),
    /// There is no previous version.
    #[error("there is no previous version; name the one to go back to")]
    NoPrevious,
    /// A share for a role without a version.
    #[error("there is no teacher to give a share to")]
    NoTeacher,
    /// Nobody could lead the canary.
    #[error(
        "an automatic canary is judged by comparison with a teacher, and there would be none: name one with `stillhouse teacher VERSION`, or lead the canary yourself (`canary plan manual`)"
    )]
    NothingToJudgeBy,
    /// A version can't be compared with itself.
    #[error("{version} is already the {role}")]
    RoleTaken {
        /// The version named in the change.
        version: VersionName,
        /// The role that it has.
        role: super::Role,
    },
    /// More than 100 %.
    #[error("canary {canary} and teacher {teacher} are more than 100% together")]
    TooMuch {
        /// The canary's share.
        canary: Share,
        /// The teacher's share.
        teacher: Share,
    },
}

impl Assignment {
    /// The next assignment, as a person orders it.
    ///
    /// # Errors
    /// As [`Self::apply_by`].
    pub fn apply(&self, change: &Change) -> Result<Self, ChangeRefused> {
        self.apply_by(change, Authority::Person)
    }

    /// The next assignment. If nothing had to be done, it differs only in its generation.
    ///
    /// # Errors
    /// The change makes no sense for this assignment.
    pub fn apply_by(&self, change: &Change, by: Authority) -> Result<Self, ChangeRefused> {
        let mut next = self.clone();
        next.generation += 1;
        match change {
            Change::StartCanary(StartCanary {
                version,
                share,
                plan,
            }) => {
                if let Some(canary) = &self.canary {
                    return Err(ChangeRefused::CanaryExists(canary.clone()));
                }
                self.free(version)?;
                next.canary = Some(version.clone());
                next.rollout += 1;
                next.split.canary = share.unwrap_or_default();
                next.plan = *plan;
            }
            Change::SetPlan(SetPlan { plan }) => {
                if self.canary.is_none() {
                    return Err(ChangeRefused::NoCanary);
                }
                next.plan = *plan;
            }
            Change::SetSplit(SetSplit { canary, teacher }) => {
                next.split.canary = canary.unwrap_or(self.split.canary);
                next.split.teacher = teacher.unwrap_or(self.split.teacher);
            }
            Change::Promote(Promote {}) => {
                let canary = next.canary.take().ok_or(ChangeRefused::NoCanary)?;
                next.stabilise(canary, by);
            }
            Change::Abort(Abort {}) => {
                next.canary.take().ok_or(ChangeRefused::NoCanary)?;
                next.split.canary = Share::default();
                next.plan = Plan::Manual;
            }
            Change::Rollback(Rollback { to }) => {
                let target = to.clone().or_else(|| self.previous.clone());
                let target = target.ok_or(ChangeRefused::NoPrevious)?;
                if target == self.stable || self.teacher.as_ref() == Some(&target) {
                    self.free(&target)?;
                }
                // After a rollback, no canary runs beside the old version.
                next.canary = None;
                next.stabilise(target, by);
            }
            Change::SetTeacher(SetTeacher { version: None }) => {
                next.teacher = None;
                next.split.teacher = Share::default();
            }
            Change::SetTeacher(SetTeacher {
                version: Some(version),
            }) => {
                if self.teacher.as_ref() != Some(version) {
                    self.free(version)?;
                }
                next.teacher = Some(version.clone());
            }
        }
        next.check_shares()?;
        if next.plan == Plan::Automatic && next.teacher.is_none() {
            return Err(ChangeRefused::NothingToJudgeBy);
        }
        Ok(next)
    }

    /// The change that leads from `next` back to this assignment's versions and shares, if a single change does.
    pub fn undo(&self, change: &Change) -> Option<Change> {
        Some(match change {
            Change::StartCanary(_) => Abort {}.into(),
            Change::SetPlan(_) => SetPlan { plan: self.plan }.into(),
            Change::SetSplit(_) => SetSplit {
                canary: self.canary.is_some().then_some(self.split.canary),
                teacher: self.teacher.is_some().then_some(self.split.teacher),
            }
            .into(),
            Change::Promote(_) => Rollback { to: None }.into(),
            Change::Rollback(_) => Rollback {
                to: Some(self.stable.clone()),
            }
            .into(),
            Change::Abort(_) => StartCanary {
                version: self.canary.clone()?,
                share: Some(self.split.canary),
                plan: self.plan,
            }
            .into(),
            Change::SetTeacher(_) => SetTeacher {
                version: self.teacher.clone(),
            }
            .into(),
        })
    }

    fn stabilise(&mut self, version: VersionName, by: Authority) {
        let old = std::mem::replace(&mut self.stable, version);
        match by {
            Authority::Person => {
                self.anchor = None;
                self.tries.approved();
            }
            // Without an anchor, the old stable version was what a person approved.
            Authority::Server => {
                let anchor = self.anchor.take().unwrap_or_else(|| old.clone());
                self.anchor = (anchor != self.stable).then_some(anchor);
            }
        }
        self.previous = Some(old);
        self.split.canary = Share::default();
        self.plan = Plan::Manual;
    }

    /// Whether a version has no role yet. `previous` doesn't count as one: a version that was rolled back may be tried
    /// again.
    fn free(&self, version: &VersionName) -> Result<(), ChangeRefused> {
        let taken = super::Role::ALL
            .into_iter()
            .find(|role| self.filling(*role) == Some(version));
        match taken {
            None => Ok(()),
            Some(role) => Err(ChangeRefused::RoleTaken {
                version: version.clone(),
                role,
            }),
        }
    }

    fn check_shares(&self) -> Result<(), ChangeRefused> {
        let (canary, teacher) = (self.split.canary, self.split.teacher);
        if canary > Share::default() && self.canary.is_none() {
            return Err(ChangeRefused::NoCanary);
        }
        if teacher > Share::default() && self.teacher.is_none() {
            return Err(ChangeRefused::NoTeacher);
        }
        if !self.split.fits() {
            return Err(ChangeRefused::TooMuch { canary, teacher });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
