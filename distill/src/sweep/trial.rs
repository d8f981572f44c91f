//! One trial of a sweep.

/// One set of settings and its results.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// `key=value` settings that override the configuration.
    pub settings: Vec<String>,
    /// Epochs and the hold-out's mean loss after them, rung by rung; +∞ if the run failed.
    pub results: Vec<(usize, f64)>,
}

impl Trial {
    /// The last loss; +∞ before the first.
    pub fn loss(&self) -> f64 {
        self.results.last().map_or(f64::INFINITY, |&(_, loss)| loss)
    }
}
