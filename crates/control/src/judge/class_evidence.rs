//! What is known about a canary by class of stable's answer.

use std::fmt;

use serde::Serialize;

use stillhouse_drift::sequential::{ClassGuard, ClassSeen};

/// The evidence of all classes together, and the class that says most against the canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassEvidence {
    /// ln of the mean over the classes of their e-values.
    pub log_e: f64,
    /// None before the first pair.
    pub worst: Option<ClassFound>,
}

/// A class, as it is seen by somebody who doesn't know its number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassFound {
    /// Its label, or its number where there is no label.
    pub label: String,
    /// Pairs in which stable answered it.
    pub pairs: u64,
    /// By how much the canary disagrees more often with the teacher in them than stable.
    pub difference: f64,
    /// ln of the e-value of this class alone.
    pub log_e: f64,
}

impl ClassEvidence {
    pub(crate) fn of(guard: &ClassGuard, labels: &[String]) -> Self {
        let seen = guard.seen();
        let worst = seen.max_by(|one, other| one.log_e.total_cmp(&other.log_e));
        Self {
            log_e: guard.log_e(),
            worst: worst.map(|seen| ClassFound::of(&seen, labels)),
        }
    }
}

impl ClassFound {
    pub(crate) fn of(seen: &ClassSeen, labels: &[String]) -> Self {
        Self {
            label: match seen.class {
                Some(class) => label(class, labels),
                None => "the classes without a guard of their own".into(),
            },
            pairs: seen.pairs.pairs(),
            difference: seen.pairs.difference().unwrap_or(0.0),
            log_e: seen.log_e,
        }
    }
}

pub(crate) fn label(class: u32, labels: &[String]) -> String {
    let known = labels.get(class as usize);
    known.map_or_else(|| format!("class {class}"), Clone::clone)
}

impl fmt::Display for ClassFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "where stable answers {:?}, canary less stable {:+.1} points of disagreement in {} pairs",
            self.label,
            100.0 * self.difference,
            self.pairs
        )
    }
}
