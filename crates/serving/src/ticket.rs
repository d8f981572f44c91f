//! What chance decides about a request is drawn by the server.
//!
//! The request id comes from the client, so it must not decide which version answers or which answers are compared: with a
//! chosen id, one caller could send all its requests to the canary, or all of them past the comparison with the teacher.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Draws tickets: SipHash of a running number under a key that only this process knows.
#[derive(Default)]
pub(super) struct Tickets {
    key: RandomState,
    issued: AtomicU64,
}

/// A request's random number; uniform over `u64`, and unpredictable for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(pub(super) u64);

impl Tickets {
    pub(super) fn draw(&self) -> Ticket {
        Ticket(self.key.hash_one(self.issued.fetch_add(1, Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tickets_differ_within_a_process_and_between_two() {
        let (one, other) = (Tickets::default(), Tickets::default());
        let drawn = |tickets: &Tickets| (0..1000).map(|_| tickets.draw().0).collect::<Vec<_>>();
        let (one, other) = (drawn(&one), drawn(&other));
        let all: HashSet<u64> = one.iter().chain(&other).copied().collect();
        assert_eq!(all.len(), 2000);
        let upper_half = one.iter().filter(|drawn| **drawn >= 1 << 63).count();
        assert!((400..600).contains(&upper_half), "{upper_half} of 1000");
    }
}
