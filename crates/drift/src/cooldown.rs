//! At most one observation per routing key and interval, so that repeating a picture a thousand times counts once.

use std::{num::NonZeroUsize, time::Duration};

use lru::LruCache;

/// When each of the most recently used keys was last counted.
///
/// A key that is repeated before `capacity` other keys have come is never evicted, which is the case that matters.
#[derive(Clone, Debug)]
pub struct Cooldown {
    interval: Duration,
    counted_at: LruCache<u64, Duration>,
}

impl Cooldown {
    /// Remembers up to `capacity` keys.
    ///
    /// # Panics
    /// If `capacity` is 0.
    pub fn new(interval: Duration, capacity: usize) -> Self {
        let capacity =
            NonZeroUsize::new(capacity).expect("a cool-down needs room for one key at least");
        Self {
            interval,
            counted_at: LruCache::new(capacity),
        }
    }

    /// Whether an observation with this key counts at `now`, on a monotonic clock; if the clock goes back, the cool-down only
    /// takes longer. An observation that doesn't count doesn't prolong the cool-down.
    pub fn admits(&mut self, key_hash: u64, now: Duration) -> bool {
        let Some(counted_at) = self.counted_at.get_mut(&key_hash) else {
            self.counted_at.put(key_hash, now);
            return true;
        };
        let is_cool = now.saturating_sub(*counted_at) < self.interval;
        if !is_cool {
            *counted_at = now;
        }
        !is_cool
    }

    /// Number of keys remembered.
    pub fn len(&self) -> usize {
        self.counted_at.len()
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.counted_at.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_observation_a_key_and_interval() {
        let mut cooldown = Cooldown::new(at(60), 10);
        assert!(cooldown.is_empty() && cooldown.admits(1, at(100)));
        assert!(!cooldown.admits(1, at(101)) && cooldown.admits(2, at(101)));
        assert!(!cooldown.admits(1, at(159)));
        assert!(cooldown.admits(1, at(160)));
        assert!(!cooldown.admits(1, at(219)), "counted again at 160");
        assert!(!cooldown.admits(1, at(5)), "a clock that went back");
    }

    /// 100 000 repetitions of one picture among others, with room for far fewer keys, are one observation.
    #[test]
    fn a_replay_counts_once() {
        let mut cooldown = Cooldown::new(at(3600), 100);
        let mut counted = 0;
        for n in 0..100_000u64 {
            counted += u32::from(cooldown.admits(0, at(n / 1000)));
            cooldown.admits(n + 1, at(n / 1000));
        }
        assert_eq!((counted, cooldown.len()), (1, 100));
    }

    proptest! {
        /// The same as a list that is searched from end to end.
        #[test]
        fn agrees_with_a_plain_list(asked in prop::collection::vec((0u64..12, 0u64..4), 1..200), capacity in 1usize..10) {
            let mut cooldown = Cooldown::new(at(9), capacity);
            let mut list: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (key, pause) in asked {
                now += pause;
                let known = list.iter().position(|(known, _)| *known == key).map(|place| list.remove(place).1);
                let expected = known.is_none_or(|counted_at| now - counted_at >= 9);
                if known.is_none() && list.len() == capacity {
                    list.remove(0);
                }
                list.push((key, match expected { true => now, false => known.unwrap_or(now) }));
                prop_assert_eq!(cooldown.admits(key, at(now)), expected);
                prop_assert_eq!(cooldown.len(), list.len());
            }
        }
    }
}
