//! Runs work of milliseconds on blocking threads: large pictures, large JSON, decompression.

use std::{sync::Arc, time::Instant};

use tokio::{sync::Semaphore, time::timeout_at};

use super::{PredictError, deadline::Deadline};

/// At most as many threads as cores, and so many pixels: more would only use memory.
pub(super) struct Decoders {
    threads: usize,
    permits: Arc<Semaphore>,
    /// In units of [`UNIT_PIXELS`].
    pixels: Arc<Semaphore>,
    all_pixels: u32,
}

/// Pixels are counted by 32 × 32, as a semaphore counts no further than 2^32.
const UNIT_PIXELS: u64 = 1024;

impl Decoders {
    pub(super) fn new(threads: usize, max_pixels: u64) -> Self {
        let all_pixels = u32::try_from(max_pixels.div_ceil(UNIT_PIXELS)).unwrap_or(u32::MAX);
        let all_pixels = all_pixels.min(Semaphore::MAX_PERMITS as u32);
        Self {
            threads,
            permits: Arc::new(Semaphore::new(threads)),
            pixels: Arc::new(Semaphore::new(all_pixels as usize)),
            all_pixels,
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
        self.run_holding(deadline, (), work).await
    }

    /// As [`Self::run`], of work that makes so many pixels: it waits, too, until they fit beside those that are being
    /// decoded. A picture larger than all that may be decoded at a time waits until it is alone.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) async fn decode<T: Send + 'static>(
        &self,
        deadline: Deadline,
        pixels: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PredictError> {
        let units = u32::try_from(pixels.div_ceil(UNIT_PIXELS)).unwrap_or(u32::MAX);
        let units = units.min(self.all_pixels);
        let permit = self.pixels.clone().acquire_many_owned(units);
        let permit = timeout_at(deadline.instant().into(), permit).await;
        let permit = permit
            .map_err(|_| deadline.passed())?
            .expect("never closed");
        self.run_holding(deadline, permit, work).await
    }

    /// What is held is let go when the work ends.
    async fn run_holding<T: Send + 'static>(
        &self,
        deadline: Deadline,
        held: impl Send + 'static,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PredictError> {
        let until = deadline.instant().into();
        let passed = |_| deadline.passed();
        let permit = timeout_at(until, self.permits.clone().acquire_owned());
        let permit = permit.await.map_err(passed)?.expect("never closed");
        let task = tokio::task::spawn_blocking(move || {
            let _held = (permit, held);
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
        let decoders = Arc::new(Decoders::new(1, 1 << 20));
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

    /// Four threads, pixels for one picture and a bit: the second picture waits, other work doesn't.
    #[tokio::test(flavor = "multi_thread")]
    async fn c2_pixels_are_budgeted_over_all_requests() {
        let decoders = Arc::new(Decoders::new(4, 50_000));
        let (open, gate) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let work = move || {
            begun.send(()).expect("the test waits");
            gate.recv().expect("the test opens it");
        };
        let decoding = decoders.clone();
        let first = tokio::spawn(async move { decoding.decode(within(LONG), 40_000, work).await });
        has_begun.await.expect("it begins");

        let short = within(Duration::from_millis(20));
        let second = decoders.decode(short, 20_000, || ()).await;
        assert!(matches!(second, Err(PredictError::DeadlineBeforeInference)));
        decoders
            .decode(within(LONG), 5_000, || ())
            .await
            .expect("it fits beside");
        decoders
            .run(within(LONG), || ())
            .await
            .expect("it makes no pixels");
        open.send(()).expect("the work waits");
        first.await.expect("no panic").expect("in time");

        // Even what is larger than all is decoded, alone.
        decoders
            .decode(within(LONG), 1 << 40, || ())
            .await
            .expect("it is alone");
        decoders
            .decode(within(LONG), 50_000, || ())
            .await
            .expect("all were given back");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_deadline_ends_the_wait_for_work_that_goes_on() {
        let decoders = Decoders::new(1, 1 << 20);
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
