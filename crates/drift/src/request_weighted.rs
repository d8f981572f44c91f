//! The mean difference as callers get it: by requests, not by pictures and not by time.

use serde::{Deserialize, Serialize};

/// One minute: its requests, and what is known of some of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MinuteMeans {
    /// All that came.
    pub requests: u64,
    /// Those whose differences are known, by a pair of theirs or of the same picture.
    known: u64,
    /// Σ of their differences, in disagreement and in divergence.
    sums: [f64; 2],
    /// Σ over pictures of the square of its requests.
    squares: f64,
}

impl MinuteMeans {
    /// One more request with these differences; `before` of the same picture have been counted in this minute.
    pub fn observe(&mut self, differences: [f64; 2], before: u64) {
        self.known += 1;
        for (sum, difference) in self.sums.iter_mut().zip(differences) {
            *sum += difference;
        }
        // (n + 1)² − n²
        self.squares += 2.0 * before as f64 + 1.0;
    }

    /// The means of what is known; `None` of nothing.
    pub fn means(&self) -> Option<[f64; 2]> {
        (self.known > 0).then(|| self.sums.map(|sum| sum / self.known as f64))
    }
}

/// Minutes added up: each by its requests (a stratified estimate with the minutes as strata, Cochran 1977, chapter 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestWeighted {
    /// Of minutes in which at least one request is known.
    requests: u64,
    /// Of the others.
    unseen_requests: u64,
    sums: [f64; 2],
    /// Σ of the squared weights of pictures.
    squares: f64,
}

impl RequestWeighted {
    /// Adds a minute.
    pub fn observe(&mut self, minute: &MinuteMeans) {
        let Some(means) = minute.means() else {
            self.unseen_requests += minute.requests;
            return;
        };
        // Requests that are known but weren't counted as having come can't be.
        let requests = minute.requests.max(minute.known);
        self.requests += requests;
        for (sum, mean) in self.sums.iter_mut().zip(means) {
            *sum += requests as f64 * mean;
        }
        let scale = requests as f64 / minute.known as f64;
        self.squares += scale * scale * minute.squares;
    }

    /// The mean differences, in disagreement and in divergence; `None` of no requests.
    pub fn means(&self) -> Option<[f64; 2]> {
        (self.requests > 0).then(|| self.sums.map(|sum| sum / self.requests as f64))
    }

    /// How many requests the means stand for.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Requests of minutes in which nothing was compared.
    pub fn unseen_requests(&self) -> u64 {
        self.unseen_requests
    }

    /// How many requests of different pictures, all of the same weight, would say as much: `(Σw)² / Σw²` (Kish 1965).
    pub fn effective_sample(&self) -> f64 {
        match self.squares > 0.0 {
            true => (self.requests as f64).powi(2) / self.squares,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(requests: u64, known: &[(f64, u64)]) -> MinuteMeans {
        let mut means = MinuteMeans {
            requests,
            ..MinuteMeans::default()
        };
        for (difference, times) in known {
            (0..*times).for_each(|before| means.observe([*difference, 0.0], before));
        }
        means
    }

    /// A canary that is 3 points worse in busy minutes and 1.5 better in quiet ones, four fifths of the requests being busy:
    /// by time it looks better, callers lose 2.1 points.
    #[test]
    fn busy_minutes_weigh_more() {
        let mut weighted = RequestWeighted::default();
        assert_eq!(weighted.means(), None);
        // As many pairs in each.
        weighted.observe(&minute(8000, &[(0.03, 50)]));
        weighted.observe(&minute(2000, &[(-0.015, 50)]));
        let [mean, _] = weighted.means().expect("requests");
        assert!((mean - 0.021).abs() < 1e-12, "{mean}");
        assert_eq!(weighted.requests(), 10_000);
    }

    #[test]
    fn repetitions_of_one_picture_say_it_once() {
        let mut weighted = RequestWeighted::default();
        weighted.observe(&minute(100, &[(0.0, 1); 100]));
        assert_eq!(weighted.effective_sample(), 100.0);
        let mut hot = RequestWeighted::default();
        hot.observe(&minute(100, &[(1.0, 100)]));
        assert_eq!(hot.effective_sample(), 1.0);
        assert_eq!(hot.means(), Some([1.0, 0.0]));
    }

    #[test]
    fn minutes_without_a_pair_are_unseen() {
        let mut weighted = RequestWeighted::default();
        weighted.observe(&minute(700, &[]));
        assert_eq!((weighted.means(), weighted.unseen_requests()), (None, 700));
        assert_eq!(weighted.effective_sample(), 0.0);
    }
}
