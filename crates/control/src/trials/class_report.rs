//! The guard by class, as people and programs read it.

use serde::{Deserialize, Serialize};
use stillhouse_drift::sequential::{ClassGuard, ClassSeen};
use utoipa::ToSchema;

use super::report::WealthReport;
use crate::judge::{ClassFound, Criteria, label};

/// So many classes are named of a kind.
const NAMED: usize = 20;

/// One class of stable's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassReport {
    /// Its label.
    pub label: String,
    /// Pairs in which stable answered it.
    pub pairs: u64,
    /// By how much the canary disagrees more often with the teacher in them than stable; none without pairs.
    pub difference: Option<f64>,
}

/// Whether the canary has lost a class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassesReport {
    /// Which share of its answers a class may lose.
    pub margin: f64,
    /// Against "no class has lost more than the margin"; the mean over the classes. None where no pair has a class.
    pub roll_back: Option<WealthReport>,
    /// So many pairs of a class, all of them wrong by the canary alone, would end it. Of classes with fewer the guard
    /// knows nothing, and a promotion doesn't wait for them.
    pub pairs_needed: u64,
    /// The classes that say most against the canary, at most 20, the weightiest first.
    pub worst: Vec<ClassReport>,
    /// How many classes have fewer pairs than are needed.
    pub with_too_few: u64,
    /// The first 20 of them.
    pub too_few: Vec<ClassReport>,
    /// Classes beyond the first 100 that were seen are guarded together: so many pairs.
    pub guarded_together: u64,
}

impl ClassesReport {
    pub(super) fn new(guard: &ClassGuard, labels: &[String], criteria: &Criteria) -> Self {
        let needed_log_e = criteria.roll_back_log_e();
        let pairs_needed = guard.pairs_needed(needed_log_e);
        let mut seen: Vec<ClassSeen> = guard.seen().collect();
        let guarded_together = seen.iter().find(|seen| seen.class.is_none());
        let guarded_together = guarded_together.map_or(0, |seen| seen.pairs.pairs());
        seen.sort_by(|one, other| other.log_e.total_cmp(&one.log_e));
        let worst = seen.iter().filter(|seen| seen.log_e > 0.0).take(NAMED);
        let pairs_of = |class| (class, guard.pairs_of(class));
        let few = (0..guard.classes()).map(pairs_of);
        let few = few.filter_map(|(class, pairs)| Some((class, pairs?)));
        let few: Vec<_> = few.filter(|(_, pairs)| *pairs < pairs_needed).collect();
        let named = few.iter().take(NAMED).map(|(class, _)| {
            let known = seen.iter().find(|seen| seen.class == Some(*class));
            known.map_or_else(
                || ClassReport {
                    label: label(*class, labels),
                    pairs: 0,
                    difference: None,
                },
                |seen| ClassReport::of(seen, labels),
            )
        });
        Self {
            margin: criteria.class_margin,
            roll_back: (guard.observations() > 0).then(|| WealthReport {
                log_e: guard.log_e(),
                needed_log_e,
            }),
            pairs_needed,
            worst: worst.map(|seen| ClassReport::of(seen, labels)).collect(),
            with_too_few: few.len() as u64,
            too_few: named.collect(),
            guarded_together,
        }
    }
}

impl ClassReport {
    fn of(seen: &ClassSeen, labels: &[String]) -> Self {
        let found = ClassFound::of(seen, labels);
        Self {
            label: found.label,
            pairs: found.pairs,
            difference: Some(found.difference),
        }
    }
}
