//! What a person has approved last, and how often a canary was tried automatically since: plain values, pure.
//!
//! A canary that is promoted automatically may be worse than stable by a margin, and it is promoted wrongly with a small
//! probability. Both add up: over many canaries that are each a little worse, and over many tries of one that is too bad. So an
//! assignment remembers the *anchor*, with which the next canaries are compared, too, and the number of each try, by which
//! the probability is divided.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Networks whose tries are remembered; of older ones only the number since the last approval counts.
const REMEMBERED: usize = 16;

/// Digits of a SHA-256 that tell networks apart.
const DIGITS: usize = 16;

/// On whose account an assignment changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// An operator: what becomes stable then is approved.
    Person,
    /// The judge, or what the configuration lets the server do by itself.
    Server,
}

/// Canaries that were tried automatically.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tries {
    /// Since a person last approved a version.
    since_approval: u32,
    /// The `rollout` of the last canary that was tried.
    rollout: u64,
    /// Which try that is, from 1.
    number: u32,
    /// The networks that were tried lately, the newest last.
    networks: Vec<TriedNetwork>,
}

/// A network that was tried automatically.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TriedNetwork {
    /// The first 16 digits of its SHA-256.
    sha256: String,
    /// Which try its last was.
    number: u32,
}

impl Tries {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// A person approved a version: from now on tries count from 1 again, except those of networks that were tried before.
    pub(super) fn approved(&mut self) {
        self.since_approval = 0;
    }

    /// Counts the automatic try of a rollout's canary, once. The same network tried again goes on where its last try was, even
    /// if a person has approved another version meanwhile.
    pub fn begin(&mut self, rollout: u64, sha256: &str) {
        if self.number > 0 && self.rollout == rollout {
            return;
        }
        let sha256: String = sha256.chars().take(DIGITS).collect();
        let known = self.networks.iter().position(|of| of.sha256 == sha256);
        let before = known.map_or(0, |place| self.networks.remove(place).number);
        self.since_approval = self.since_approval.saturating_add(1);
        self.rollout = rollout;
        self.number = self.since_approval.max(before.saturating_add(1));
        let number = self.number;
        self.networks.push(TriedNetwork { sha256, number });
        let forgotten = self.networks.len().saturating_sub(REMEMBERED);
        self.networks.drain(..forgotten);
    }

    /// Which try the next canary would be, if its network wasn't tried before.
    pub fn next(&self) -> u32 {
        self.since_approval.saturating_add(1)
    }

    /// Which try the canary of a rollout is; 1 if it isn't tried automatically.
    pub fn number(&self, rollout: u64) -> u32 {
        match self.rollout == rollout {
            true => self.number.max(1),
            false => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_counts_once_and_an_approval_begins_anew() {
        let mut tries = Tries::default();
        assert_eq!(tries.number(1), 1);
        for (rollout, sha256, number) in [(1, "aa", 1), (2, "bb", 2), (2, "bb", 2), (3, "cc", 3)] {
            tries.begin(rollout, sha256);
            assert_eq!(tries.number(rollout), number, "{rollout}");
        }
        assert_eq!(tries.number(4), 1, "led by hand");
        tries.approved();
        tries.begin(5, "dd");
        assert_eq!(tries.number(5), 1);
    }

    #[test]
    fn the_same_bytes_go_on_counting_after_an_approval() {
        let mut tries = Tries::default();
        (1..=5).for_each(|rollout| tries.begin(rollout, "bad"));
        tries.approved();
        tries.begin(6, "bad");
        assert_eq!(tries.number(6), 6);
        tries.begin(7, "other");
        assert_eq!(tries.number(7), 2);
        // Sixteen networks are remembered, and longer names are the same by their beginning.
        (8..8 + 15).for_each(|rollout| tries.begin(rollout, &format!("{rollout}")));
        assert_eq!(tries.networks.len(), 16);
        let digits = "0123456789abcdef";
        tries.begin(40, &format!("{digits}0"));
        let number = tries.number(40);
        tries.approved();
        tries.begin(41, &format!("{digits}1"));
        assert_eq!(tries.number(41), number + 1);
    }
}
