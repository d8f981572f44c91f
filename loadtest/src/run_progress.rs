//! State that the generator's threads, the progress line and the admin client share during a run.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// Counters and the stop flag of a run in progress.
#[derive(Default)]
pub(crate) struct RunProgress {
    pub answered: AtomicU64,
    pub refused: AtomicU64,
    pub failed: AtomicU64,
    /// Set to end the run early.
    pub stop: AtomicBool,
    /// Number of threads that are still running.
    pub running: AtomicUsize,
    /// Notified whenever a thread ends.
    pub ended: Notify,
}

/// Counts a thread as running until dropped, so that a panic is counted as an end, too.
pub(crate) struct RunningThread<'a>(&'a RunProgress);

impl<'a> RunningThread<'a> {
    pub(crate) fn new(state: &'a RunProgress) -> Self {
        state.running.fetch_add(1, Relaxed);
        Self(state)
    }
}

impl Drop for RunningThread<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
        self.0.ended.notify_one();
    }
}
