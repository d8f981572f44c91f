//! Searches for the highest rate that meets an objective: bracket, then bisect. Pure: the caller does the measuring.

/// The state of the search.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Search {
    next: f64,
    met: Option<f64>,
    missed: Option<f64>,
    /// The search ends when the highest rate that met the objective is within this share of the lowest that missed it.
    within: f64,
}

/// Factors by which the rate changes until the maximum is bracketed.
const UP: f64 = 1.5;
const DOWN: f64 = 0.5;
/// The search gives up below this rate (requests/s).
const LOWEST: f64 = 0.1;

impl Search {
    /// Starts at `first` requests/s.
    pub(crate) fn new(first: f64, within: f64) -> Self {
        Self {
            next: first,
            met: None,
            missed: None,
            within,
        }
    }

    /// The next rate to try; `None` when the search has ended.
    pub(crate) fn next(&self) -> Option<f64> {
        match (self.met, self.missed) {
            (Some(met), Some(missed)) if missed <= met * (1.0 + self.within) => None,
            (None, Some(missed)) if missed < LOWEST => None,
            _ => Some(self.next),
        }
    }

    /// Records whether the rate from [`Search::next`] met the objective.
    pub(crate) fn tried(&mut self, met: bool) {
        let rate = self.next;
        if met {
            self.met = Some(rate);
        } else {
            self.missed = Some(rate);
        }
        self.next = match (self.met, self.missed) {
            (Some(met), None) => met * UP,
            (None, Some(missed)) => missed * DOWN,
            // The tolerance is relative, so the middle is the geometric mean.
            (Some(met), Some(missed)) => (met * missed).sqrt(),
            (None, None) => rate,
        };
    }

    /// The highest rate that met the objective.
    pub(crate) fn found(&self) -> Option<f64> {
        self.met
    }

    /// The lowest rate that missed the objective.
    pub(crate) fn missed(&self) -> Option<f64> {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(first: f64, limit: f64) -> (Search, Vec<f64>) {
        let (mut search, mut tried) = (Search::new(first, 0.05), Vec::new());
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tried(rate <= limit);
        }
        (search, tried)
    }

    #[test]
    fn it_goes_up_until_it_misses_and_then_halves() {
        let (search, tried) = search(1000.0, 1700.0);
        let rounded: Vec<u32> = tried.iter().map(|rate| rate.round() as u32).collect();
        assert_eq!(rounded, [1000, 1500, 2250, 1837, 1660, 1746, 1703]);
        assert!((search.found().expect("met") - 1660.0).abs() < 1.0);
    }

    #[test]
    fn where_nothing_is_met_it_ends() {
        let (search, tried) = search(1000.0, 0.0);
        assert_eq!(search.found(), None);
        assert_eq!(tried.len(), 15);
    }

    proptest! {
        #[test]
        fn what_it_finds_is_met_and_close_to_the_limit(first in 1.0f64..1e5, limit in 1.0f64..1e5) {
            let (search, tried) = search(first, limit);
            let found = search.found().expect("above the lowest");
            prop_assert!(found <= limit && limit < found * 1.05 + 1e-9);
            prop_assert!(tried.len() < 45);
        }
    }
}
