//! The pairs by hour of the day: a canary may be as good as stable by day and worse by night. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was seen in one hour of the day, on all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hour {
    pub(crate) pairs: u64,
    /// Sum of the differences in disagreement, canary less stable.
    sum: f64,
}

/// By hour of the day, 0 to 23, UTC; only hours in which there was a pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hours(BTreeMap<u8, Hour>);

impl Hours {
    pub(super) fn observe(&mut self, hour: u8, disagreement: f64) {
        let hour = self.0.entry(hour).or_default();
        hour.pairs += 1;
        hour.sum += disagreement;
    }

    /// The hours in which there was a pair, in order.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (u8, Hour)> {
        self.0.iter().map(|(hour, seen)| (*hour, *seen))
    }
}

impl Hour {
    /// Mean difference in disagreement, canary less stable.
    pub(crate) fn disagreement(self) -> f64 {
        self.sum / self.pairs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hour_of_two_days_is_one() {
        let mut hours = Hours::default();
        for (hour, difference) in [(23, 1.0), (4, 0.0), (23, 0.0), (23, 1.0), (4, -1.0)] {
            hours.observe(hour, difference);
        }
        let seen: Vec<_> = hours
            .seen()
            .map(|(hour, seen)| (hour, seen.pairs, seen.disagreement()))
            .collect();
        assert_eq!(seen, [(4, 2, -0.5), (23, 3, 2.0 / 3.0)]);
        let text = serde_json::to_string(&hours).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Hours>(&text).expect("the same"),
            hours
        );
    }
}
