//! A time limit that costs next to nothing as long as it isn't reached.
//!
//! `tokio::time::timeout` would enter every request in the timer's wheel and take it out again; this keeps one entry a
//! connection, and looks at what is really due when it fires.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};

/// One connection's limit.
pub struct Patience {
    limit: Duration,
    /// Made with the first request, within the runtime.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub fn new(limit: Duration) -> Self {
        Self { limit, alarm: None }
    }

    /// What `work` gives, if it does within the limit.
    pub async fn within<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let deadline = Instant::now() + self.limit;
        let limit = self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(limit)));
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(value) = work.as_mut().poll(context) {
                return Poll::Ready(Some(value));
            }
            while alarm.as_mut().poll(context).is_ready() {
                // Set by an earlier request: that one's time is over, not this one's.
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
        let mut patience = Patience::new(Duration::from_millis(60));
        for _ in 0..4 {
            // Together longer than the limit.
            let work = sleep(Duration::from_millis(30));
            assert_eq!(patience.within(work).await, Some(()));
        }
        let begun = Instant::now();
        assert_eq!(patience.within(std::future::pending::<()>()).await, None);
        assert!(begun.elapsed() >= Duration::from_millis(60));
        assert_eq!(patience.within(std::future::ready(1)).await, Some(1));
    }
}
