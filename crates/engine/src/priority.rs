//! How much of the machine the preparation of a version may take.
//!
//! `SCHED_IDLE` (see `idle`) alone is not enough: the kernel counts a core that runs an idle-priority thread as busy and, until
//! its next tick, moves no waiting thread there. So beside traffic the work is split into pieces, and after each piece the
//! thread sleeps, which leaves the core really free.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::give_way;

/// A background thread sleeps this many times as long as the piece of work before took.
const REST: u32 = 3;

/// Upper bound of one rest: a piece that took longer may itself have waited for a core on a busy machine.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Whether work competes with the answering of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Nothing is being served, as while the server starts: the work may use every core.
    Foreground,
    /// Requests are being answered: the work runs at idle priority and rests after each piece.
    Background,
}

impl Priority {
    /// Runs one piece of work on the calling thread; in the background, rests after it.
    pub fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        match self.rest(begun.elapsed()) {
            Duration::ZERO => {}
            rest => thread::sleep(rest),
        }
        done
    }

    /// Runs `work` on a new thread, at idle priority if in the background, and waits for it.
    ///
    /// # Errors
    /// The panic's payload, if `work` panicked.
    pub fn run_on_own_thread<T: Send>(self, work: impl FnOnce() -> T + Send) -> thread::Result<T> {
        let work = || {
            if self == Self::Background {
                give_way();
            }
            work()
        };
        thread::scope(|scope| scope.spawn(work).join())
    }

    fn rest(self, worked: Duration) -> Duration {
        match self {
            Self::Foreground => Duration::ZERO,
            Self::Background => (worked * REST).min(LONGEST_REST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_background_a_piece_is_followed_by_a_rest() {
        let ms = Duration::from_millis;
        assert_eq!(Priority::Foreground.rest(ms(8)), Duration::ZERO);
        assert_eq!(Priority::Background.rest(ms(8)), ms(24));
        assert_eq!(Priority::Background.rest(ms(4000)), LONGEST_REST);

        let begun = Instant::now();
        let worked = Priority::Background.run(|| {
            let piece = Instant::now();
            while piece.elapsed() < ms(4) {}
            piece.elapsed()
        });
        assert!(begun.elapsed() >= worked + Priority::Background.rest(worked));
    }

    #[test]
    fn a_thread_of_its_own_returns_the_result_or_the_panic() {
        for priority in [Priority::Foreground, Priority::Background] {
            let here = thread::current().id();
            let there = priority.run_on_own_thread(|| thread::current().id());
            assert_ne!(there.expect("no panic"), here);
            let lost = priority.run_on_own_thread(|| -> () { panic!("on purpose") });
            assert_eq!(
                lost.expect_err("a panic").downcast_ref(),
                Some(&"on purpose")
            );
        }
    }
}
