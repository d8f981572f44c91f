//! How much of the machine preparing a version may take.
//!
//! Giving way (see `priority`) is not enough: where a core runs a thread that gives way, the kernel counts it as busy and,
//! until its next tick, moves no thread there that waits elsewhere for its turn. So beside traffic the work is done in
//! pieces, with a rest after each, in which the core is really free.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::give_way;

/// Rests are so many times as long as the piece of work before them.
const REST: u32 = 3;

/// A piece that took longer may have waited for a core, where everything is slow already.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Who waits while something is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// The server is starting: every core is there for the work.
    NobodyWaits,
    /// Others are being answered: the work gives way to them and rests after each piece.
    BesideTraffic,
}

impl Haste {
    /// Does one piece of the work, and rests after it beside traffic.
    pub fn piece<T>(self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        match self.rest(begun.elapsed()) {
            Duration::ZERO => {}
            rest => thread::sleep(rest),
        }
        done
    }

    /// Does work on a thread of its own, which gives way beside traffic, and waits for it.
    ///
    /// # Errors
    /// What it panicked with.
    pub fn apart<T: Send>(self, work: impl FnOnce() -> T + Send) -> thread::Result<T> {
        let work = || {
            if self == Self::BesideTraffic {
                give_way();
            }
            work()
        };
        thread::scope(|scope| scope.spawn(work).join())
    }

    fn rest(self, worked: Duration) -> Duration {
        match self {
            Self::NobodyWaits => Duration::ZERO,
            Self::BesideTraffic => (worked * REST).min(LONGEST_REST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_traffic_a_piece_is_followed_by_a_rest() {
        let ms = Duration::from_millis;
        assert_eq!(Haste::NobodyWaits.rest(ms(8)), Duration::ZERO);
        assert_eq!(Haste::BesideTraffic.rest(ms(8)), ms(24));
        assert_eq!(Haste::BesideTraffic.rest(ms(4000)), LONGEST_REST);

        let begun = Instant::now();
        let worked = Haste::BesideTraffic.piece(|| {
            let piece = Instant::now();
            while piece.elapsed() < ms(4) {}
            piece.elapsed()
        });
        assert!(begun.elapsed() >= worked + Haste::BesideTraffic.rest(worked));
    }

    #[test]
    fn what_is_done_apart_comes_back_or_says_that_it_panicked() {
        for haste in [Haste::NobodyWaits, Haste::BesideTraffic] {
            let here = thread::current().id();
            let there = haste.apart(|| thread::current().id());
            assert_ne!(there.expect("no panic"), here);
            let lost = haste.apart(|| -> () { panic!("on purpose") });
            assert_eq!(
                lost.expect_err("a panic").downcast_ref(),
                Some(&"on purpose")
            );
        }
    }
}
