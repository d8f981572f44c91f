//! What callers get, beside what single pictures show: each pair weighted by the requests that it stands for.
//!
//! A caller, or a picture, counts once in a cool-down, and a minute with many requests brings hardly more pairs than a quiet
//! one. Both are right for the tests, which need pairs that say something new, and wrong for what callers get. So each
//! minute every sampled request counts: the first of a picture as its pair, its repetitions as the pair before, and the
//! minute's mean for all that came in it, compared or not.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;
use stillhouse_drift::request_weighted::MinuteMeans;

use super::Pairing;

const MINUTE: Duration = Duration::from_secs(60);

/// One minute of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minute {
    /// The compared versions.
    pub pairing: Pairing,
    /// What was seen.
    pub means: MinuteMeans,
}

/// A picture, or a caller.
#[derive(Clone, Copy, Debug)]
struct Known {
    differences: [f64; 2],
    /// In which minute it was last seen, and how often.
    minute: u64,
    requests: u64,
}

/// The present minute. Pure except for its memory: the time is an argument.
pub(super) struct Requests {
    pairing: Pairing,
    minute: u64,
    means: MinuteMeans,
    known: LruCache<u64, Known>,
}

impl Requests {
    /// Remembers up to `keys` pictures or callers.
    pub(super) fn new(keys: NonZeroUsize) -> Self {
        Self {
            pairing: Pairing::default(),
            minute: 0,
            means: MinuteMeans::default(),
            known: LruCache::new(keys),
        }
    }

    /// Ends the minute if it is over, or if other versions are compared; `now` is from a clock that never goes back.
    pub(super) fn turn(&mut self, pairing: Pairing, now: Duration) -> Option<Minute> {
        let minute = now.as_secs() / MINUTE.as_secs();
        if (pairing, minute) == (self.pairing, self.minute) {
            return None;
        }
        let ended = Minute {
            pairing: self.pairing,
            means: std::mem::take(&mut self.means),
        };
        if pairing != self.pairing {
            self.known.clear();
        }
        (self.pairing, self.minute) = (pairing, minute);
        (ended.means.requests > 0).then_some(ended)
    }

    /// So many requests came that were to be compared.
    pub(super) fn offered(&mut self, requests: u64) {
        self.means.requests += requests;
    }

    /// A pair was made of a picture or caller with this key.
    pub(super) fn pair(&mut self, key: u64, differences: [f64; 2]) {
        let (minute, requests) = (self.minute, 0);
        let known = Known {
            differences,
            minute,
            requests,
        };
        self.known.put(key, known);
        self.repeated(key);
    }

    /// It came again, and made no pair.
    pub(super) fn repeated(&mut self, key: u64) {
        let Some(known) = self.known.get_mut(&key) else {
            return;
        };
        if known.minute != self.minute {
            (known.minute, known.requests) = (self.minute, 0);
        }
        self.means.observe(known.differences, known.requests);
        known.requests += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_hot_picture_weighs_what_it_is_asked_for() {
        let pairing = Pairing::of_rollout(1);
        let mut requests = Requests::new(NonZeroUsize::MIN.saturating_add(9));
        assert_eq!(requests.turn(pairing, at(0)), None);
        // One picture that is wrong nine times, nine that are right once; ten more were never looked at.
        requests.offered(28);
        requests.pair(1, [1.0, 0.5]);
        (0..8).for_each(|_| requests.repeated(1));
        (2..11).for_each(|key| requests.pair(key, [0.0, 0.0]));
        requests.repeated(99);
        assert_eq!(requests.turn(pairing, at(59)), None);
        let minute = requests.turn(pairing, at(60)).expect("over");
        assert_eq!(minute.pairing, pairing);
        assert_eq!(minute.means.requests, 28);
        assert_eq!(minute.means.means(), Some([0.5, 0.25]));
        // Its next minute is weighed by what was known of it.
        requests.offered(2);
        requests.repeated(10);
        requests.repeated(10);
        let other = Pairing::of_rollout(2);
        let minute = requests.turn(other, at(61)).expect("other versions");
        assert_eq!((minute.pairing, minute.means.requests), (pairing, 2));
        assert_eq!(minute.means.means(), Some([0.0, 0.0]));
        // Of other versions nothing is known.
        requests.offered(1);
        requests.repeated(10);
        let minute = requests.turn(other, at(120)).expect("over");
        assert_eq!((minute.means.requests, minute.means.means()), (1, None));
        assert_eq!(requests.turn(other, at(500)), None, "without requests");
    }
}
