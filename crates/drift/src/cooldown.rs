//! One observation a routing key and cool-down: whoever repeats a picture a thousand times brings one.

use std::{collections::HashMap, time::Duration};

/// No neighbour.
const NONE: u32 = u32::MAX;

/// Which keys were counted when; as many as there is room for, the one longest not asked for leaves first.
///
/// A key that is repeated faster than `capacity` others come is never forgotten while it is hot, which is the case that
/// matters. Memory is taken once.
#[derive(Clone, Debug)]
pub struct Cooldown {
    interval: Duration,
    capacity: usize,
    places: HashMap<u64, u32>,
    slots: Vec<Slot>,
    newest: u32,
    oldest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key_hash: u64,
    counted_at: Duration,
    newer: u32,
    older: u32,
}

impl Cooldown {
    /// Remembers up to `capacity` keys.
    ///
    /// # Panics
    /// If that is none, or 2³² or more.
    pub fn new(interval: Duration, capacity: usize) -> Self {
        assert!(
            capacity > 0 && capacity < NONE as usize,
            "room for {capacity} keys: 1 to {} belong here",
            NONE - 1
        );
        Self {
            interval,
            capacity,
            places: HashMap::with_capacity(capacity + 1),
            slots: Vec::with_capacity(capacity),
            newest: NONE,
            oldest: NONE,
        }
    }

    /// Whether an observation with this key counts at `now`, on a clock that never goes back; a clock that does only keeps
    /// keys cool for longer. What doesn't count doesn't prolong the cool-down.
    pub fn admits(&mut self, key_hash: u64, now: Duration) -> bool {
        let Some(&place) = self.places.get(&key_hash) else {
            self.enter(key_hash, now);
            return true;
        };
        self.unlink(place);
        self.link_newest(place);
        let counted_at = &mut self.slots[place as usize].counted_at;
        let is_cool = now.saturating_sub(*counted_at) < self.interval;
        if !is_cool {
            *counted_at = now;
        }
        !is_cool
    }

    /// Keys remembered.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn enter(&mut self, key_hash: u64, now: Duration) {
        let slot = Slot {
            key_hash,
            counted_at: now,
            newer: NONE,
            older: NONE,
        };
        let place = if self.slots.len() < self.capacity {
            self.slots.push(slot);
            (self.slots.len() - 1) as u32
        } else {
            let place = self.oldest;
            self.unlink(place);
            self.places.remove(&self.slots[place as usize].key_hash);
            self.slots[place as usize] = slot;
            place
        };
        self.places.insert(key_hash, place);
        self.link_newest(place);
    }

    fn unlink(&mut self, place: u32) {
        let Slot { newer, older, .. } = self.slots[place as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, place: u32) {
        let before = self.newest;
        let slot = &mut self.slots[place as usize];
        (slot.newer, slot.older) = (NONE, before);
        match before {
            NONE => self.oldest = place,
            before => self.slots[before as usize].newer = place,
        }
        self.newest = place;
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
