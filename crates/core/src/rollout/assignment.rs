//! Which version fills which role, and with which share: plain values, as they are written to the journal.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Plan, Role};
use stillhouse_store::VersionName;

/// A part of the live requests in basis points: 10 000 is all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "u16")]
pub struct Share(u16);

/// Not a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a share: write basis points from 0 to 10000, or percent with the sign, as in \"2.5%\""
)]
pub struct ShareError(String);

impl Share {
    /// Every request.
    pub const ALL: Self = Self(10_000);

    /// `None` above 10 000.
    pub fn new(basis_points: u16) -> Option<Self> {
        (basis_points <= Self::ALL.0).then_some(Self(basis_points))
    }

    /// From 0 to 10 000.
    pub fn basis_points(self) -> u16 {
        self.0
    }

    /// From 0 to 1, for metrics.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ALL.0)
    }

    /// How many of the 2⁶⁴ draws fall into this share.
    pub(super) fn width(self) -> u128 {
        (u128::from(self.0) << 64) / u128::from(Self::ALL.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 100.0)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let wrong = || {
            ShareError(
                text.chars()
                    .take(32)
                    .flat_map(char::escape_default)
                    .collect(),
            )
        };
        let points = match text.trim().strip_suffix('%') {
            None => text.trim().parse().map_err(|_| wrong())?,
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
                let points = percent * 100.0;
                // A saturating conversion: a negative number or NaN must not become 0.
                if !(0.0..=1e4).contains(&points) || (points - points.round()).abs() > 1e-6 {
                    return Err(wrong());
                }
                points.round() as u16
            }
        };
        Self::new(points).ok_or_else(wrong)
    }
}

/// A share as it may be written in JSON and TOML.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Points(i64),
    Text(String),
    /// Refused: 0.1 may mean a tenth or a tenth of a percent.
    Fraction(f64),
}

impl TryFrom<Written> for Share {
    type Error = ShareError;

    fn try_from(written: Written) -> Result<Self, ShareError> {
        match written {
            Written::Points(points) => u16::try_from(points)
                .ok()
                .and_then(Self::new)
                .ok_or_else(|| ShareError(points.to_string())),
            Written::Text(text) => text.parse(),
            Written::Fraction(number) => Err(ShareError(number.to_string())),
        }
    }
}

impl From<Share> for u16 {
    fn from(share: Share) -> u16 {
        share.0
    }
}

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
            Role::Stable => Share(Share::ALL.0.saturating_sub(self.canary.0 + self.teacher.0)),
        }
    }

    /// Whether both shares fit into 100%.
    pub(super) fn fits(self) -> bool {
        self.canary.0 + self.teacher.0 <= Share::ALL.0
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

    /// Every version that must stay loaded, `previous` included; a version may occur twice.
    pub fn versions(&self) -> impl Iterator<Item = &VersionName> {
        let optional = [&self.canary, &self.teacher, &self.previous];
        std::iter::once(&self.stable).chain(optional.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_basis_points_or_percent_and_nothing_else() {
        for (text, points) in [
            ("0", 0),
            ("1000", 1000),
            ("10%", 1000),
            ("2.5 %", 250),
            ("0.01%", 1),
            ("100%", 10_000),
        ] {
            assert_eq!(text.parse(), Ok(Share(points)), "{text}");
        }
        for text in [
            "", "-1", "10001", "100.01%", "-1%", "0.001%", "nan%", "inf%", "ten", "1e3", "10 000",
            "0.1",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        let read =
            |json: &str| serde_json::from_str::<Share>(json).map_err(|error| error.to_string());
        assert_eq!(read("250"), Ok(Share(250)));
        assert_eq!(read("\"2.5%\""), Ok(Share(250)));
        for json in [
            "0.1", "-1", "10001", "65546", "1e400", "null", "[]", "\"1;\"",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(read("0.1").expect_err("a fraction").contains("percent"));
        assert_eq!(serde_json::to_string(&Share(250)).expect("JSON"), "250");
    }
}
