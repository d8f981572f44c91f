//! Why evidence about a canary is missing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was lost may have been unfavourable, so what is left is never taken as favourable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceLoss {
    /// An earlier process left none, or what can't be read.
    Restart,
    /// The judge panicked, which may have cost some of it.
    Panic,
    /// It rested on something else, so that it begins again.
    Changed(Vec<Basis>),
}

/// What evidence rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Who knows better.
    Teacher,
    /// With whom the canary is compared.
    Stable,
    /// Its own files.
    Canary,
    /// The last version that a person approved.
    Anchor,
    /// Criteria, sampling, engine.
    Configuration,
}

impl fmt::Display for EvidenceLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = match self {
            Self::Restart => return f.write_str("a restart lost evidence"),
            Self::Panic => return f.write_str("the judge panicked and may have lost evidence"),
            Self::Changed(changed) => changed,
        };
        for (place, basis) in changed.iter().enumerate() {
            let joint = match place {
                0 => "",
                _ if place + 1 == changed.len() => " and ",
                _ => ", ",
            };
            write!(f, "{joint}{basis}")?;
        }
        let were = if changed.len() == 1 { "was" } else { "were" };
        write!(f, " {were} changed: evidence begins again")
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Teacher => "the teacher",
            Self::Stable => "the stable version",
            Self::Canary => "the canary's files",
            Self::Anchor => "the last version that a person approved",
            Self::Configuration => "the configuration (judge, shadow or engine)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_named() {
        use Basis::{Configuration, Stable, Teacher};
        for (changed, words) in [
            (
                vec![Teacher],
                "the teacher was changed: evidence begins again",
            ),
            (
                vec![Teacher, Stable, Configuration],
                "the teacher, the stable version and the configuration (judge, shadow or engine) were changed: evidence begins again",
            ),
        ] {
            assert_eq!(EvidenceLoss::Changed(changed).to_string(), words);
        }
    }
}
