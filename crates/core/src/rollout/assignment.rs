//! Which version fills which role, and with which share: plain values, as they are written to the journal.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Plan, Role, Share, Tries};
use stillhouse_store::VersionName;

/// The shares that canary and teacher answer; stable answers the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The canary's share in basis points; 0 without a canary, and for a dark canary.
    #[schema(value_type = u16, maximum = 10_000)]
    pub canary: Share,
    /// The teacher's share in basis points; 0 without a teacher.
    #[schema(value_type = u16, maximum = 10_000)]
    pub teacher: Share,
}

impl Split {
    /// A role's share.
    pub fn of(self, role: Role) -> Share {
        match role {
            Role::Canary => self.canary,
            Role::Teacher => self.teacher,
            Role::Stable => Share::ALL.less(self.canary).less(self.teacher),
        }
    }

    /// Whether both shares fit into 100%.
    pub(super) fn fits(self) -> bool {
        self.canary.basis_points() + self.teacher.basis_points() <= Share::ALL.basis_points()
    }
}

/// Which version fills which role, with which split. Every change increases the generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// Number of the assignment; a server's first is 1.
    pub generation: u64,
    /// Number of the canary; it is part of the split's hash, so that each rollout draws its users anew.
    pub rollout: u64,
    /// Answers all requests that the others don't.
    #[schema(value_type = String)]
    pub stable: VersionName,
    /// The canary being judged.
    #[schema(value_type = Option<String>)]
    pub canary: Option<VersionName>,
    /// The large network that the other versions were trained from.
    #[schema(value_type = Option<String>)]
    pub teacher: Option<VersionName>,
    /// The last stable version, kept warm for a rollback.
    #[schema(value_type = Option<String>)]
    pub previous: Option<VersionName>,
    /// Which share canary and teacher answer.
    pub split: Split,
    /// Who controls the canary; manual without one.
    #[serde(default, skip_serializing_if = "Plan::is_manual")]
    pub plan: Plan,
    /// The last version that a person approved, by a first start, a promotion or a rollback, if stable is another one by now: a
    /// canary of an automatic plan is compared with it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub anchor: Option<VersionName>,
    /// How often canaries were tried automatically.
    #[serde(default, skip_serializing_if = "Tries::is_none")]
    pub tries: Tries,
}

impl Assignment {
    /// The first assignment: one version answers everything.
    pub fn first(stable: VersionName) -> Self {
        Self {
            generation: 1,
            rollout: 0,
            stable,
            canary: None,
            teacher: None,
            previous: None,
            split: Split::default(),
            plan: Plan::Manual,
            anchor: None,
            tries: Tries::default(),
        }
    }

    /// The next assignment, with this version removed from every role but stable.
    #[must_use]
    pub fn without(&self, version: &VersionName) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        if next.canary.take_if(|canary| canary == version).is_some() {
            next.split.canary = Share::default();
            next.plan = Plan::Manual;
        }
        if next.teacher.take_if(|teacher| teacher == version).is_some() {
            next.split.teacher = Share::default();
            // Nothing is left to judge a canary by.
            next.plan = Plan::Manual;
        }
        next.previous.take_if(|previous| previous == version);
        next
    }

    /// The version in a role.
    pub fn filling(&self, role: Role) -> Option<&VersionName> {
        match role {
            Role::Stable => Some(&self.stable),
            Role::Canary => self.canary.as_ref(),
            Role::Teacher => self.teacher.as_ref(),
        }
    }

    /// The anchor, while there is a canary to be compared with it and it is neither that nor stable.
    pub fn compared_anchor(&self) -> Option<&VersionName> {
        let canary = self.canary.as_ref()?;
        let anchor = self.anchor.as_ref();
        anchor.filter(|anchor| *anchor != canary && **anchor != self.stable)
    }

    /// Every version that must stay loaded, `previous` and the anchor included; a version may occur twice.
    pub fn versions(&self) -> impl Iterator<Item = &VersionName> {
        let optional = [
            self.canary.as_ref(),
            self.teacher.as_ref(),
            self.previous.as_ref(),
            self.compared_anchor(),
        ];
        std::iter::once(&self.stable).chain(optional.into_iter().flatten())
    }
}
