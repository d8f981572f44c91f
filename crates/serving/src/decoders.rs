//! Runs work of milliseconds on blocking threads: large pictures, large JSON, decompression.

use std::{sync::Arc, time::Instant};

use tokio::{sync::Semaphore, time::timeout_at};

use super::{PredictError, deadline::Deadline};

/// At most as many threads as cores: more would only use memory.
pub(super) struct Decoders {
    threads: usize,
    permits: Arc<Semaphore>,
}

impl Decoders {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            permits: Arc::new(Semaphore::new(threads)),
        }
    }

    /// Lets one request have half of the threads at a time, however many pictures it has: the others' pictures wait behind
    /// a few of them, not behind all.
    pub(super) fn turns(&self) -> Semaphore {
        Semaphore::new((self.threads / 2).max(1))
    }

    /// Runs `work` on a blocking thread, and waits for it until the deadline at most. Work that has begun continues
    /// even if its caller leaves, so the work holds the permit, not the caller: otherwise clients that come and go
    /// would start any number of decoders.
    ///
    /// # Errors
    /// The deadline passed, before or during the work; [`PredictError::Panicked`] if it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Deadline,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PredictError> {
        let until = deadline.instant().into();
        let passed = |_| deadline.passed();
        let permit = timeout_at(until, self.permits.clone().acquire_owned());
        let permit = permit.await.map_err(passed)?.expect("never closed");
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            deadline.check(Instant::now()).map(|()| work())
        });
        timeout_at(until, task)
            .await
            .map_err(passed)?
            .map_err(|_| PredictError::Panicked)?
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering::SeqCst},
            mpsc,
        },
        time::Duration,
    };

    use super::*;

    fn within(time: Duration) -> Deadline {
        Deadline::new(Instant::now(), time, None)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(flavor = "multi_thread")]
    async fn the_work_of_a_caller_that_left_keeps_its_permit() {
        let decoders = Arc::new(Decoders::new(1));
        let (open, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let running = Arc::new(AtomicUsize::new(0));
        let counted = running.clone();
        let work = move || {
            counted.fetch_add(1, SeqCst);
            begun.send(()).expect("the test waits");
            let _ = gate.recv();
            counted.fetch_sub(1, SeqCst);
        };
        let decoding = decoders.clone();
        let caller = tokio::spawn(async move { decoding.run(within(LONG), work).await });
        has_begun.await.expect("it begins");
        caller.abort();
        assert!(caller.await.expect_err("aborted").is_cancelled());

        // The next caller has to wait while that work continues, and its own deadline ends the wait.
        let refused = decoders.run(within(Duration::from_millis(20)), || ()).await;
        assert!(matches!(
            refused,
            Err(PredictError::DeadlineBeforeInference)
        ));
        open.send(()).expect("the work waits");
        let still_running = running.clone();
        let next = decoders.run(within(LONG), move || still_running.load(SeqCst));
        assert_eq!(next.await.expect("let in"), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_deadline_ends_the_wait_for_work_that_goes_on() {
        let decoders = Decoders::new(1);
        let (open, gate) = mpsc::channel::<()>();
        let late = decoders.run(within(Duration::from_millis(20)), move || gate.recv());
        assert!(matches!(
            late.await,
            Err(PredictError::DeadlineBeforeInference)
        ));
        drop(open);
        let bug = decoders.run(within(LONG), || -> () { panic!("a bug") });
        assert!(matches!(bug.await, Err(PredictError::Panicked)));
        assert_eq!(
            decoders.run(within(LONG), || 7).await.expect("it works on"),
            7
        );
    }
}
