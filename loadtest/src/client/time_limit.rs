//! A time limit that costs next to nothing unless it is reached.
//!
//! `tokio::time::timeout` would insert every request into the timer wheel and remove it again. This keeps one entry per
//! connection and compares with the actual deadline when it fires.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};

/// The time limit of each request on one connection.
pub(super) struct TimeLimit {
    limit: Duration,
    /// Created with the first request, within the runtime.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl TimeLimit {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, alarm: None }
    }

    /// The result of `work`; `None` if it took longer than the limit.
    pub(super) async fn within<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let deadline = Instant::now() + self.limit;
        let limit = self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(value) = work.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            while alarm.as_mut().poll(context).is_ready() {
                // The alarm may have been set for an earlier request; then this deadline isn't reached yet.
                if Instant::now() >= deadline {
                    return Poll::Ready(None);
                }
                alarm.as_mut().reset(deadline.into());
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn each_piece_of_work_has_the_whole_limit() {
        let mut time_limit = TimeLimit::new(Duration::from_millis(60));
        for _ in 0..4 {
            // Together longer than the limit.
            let work = sleep(Duration::from_millis(30));
            assert_eq!(time_limit.within(work).await, Some(()));
        }
        let begun = Instant::now();
        assert_eq!(time_limit.within(std::future::pending::<()>()).await, None);
        assert!(begun.elapsed() >= Duration::from_millis(60));
        assert_eq!(time_limit.within(std::future::ready(1)).await, Some(1));
    }
}
