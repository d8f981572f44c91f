//! How long this machine keeps a thread waiting that wants to run: what other programs do to a server, it can't help.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

const BEAT: Duration = Duration::from_millis(5);

/// A thread that wants to run every few milliseconds.
pub(super) struct Pulse {
    thread: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
    longest_us: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn start() -> Self {
        let (over, longest_us) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (ends, longest) = (over.clone(), longest_us.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(BEAT);
                longest.fetch_max((begun.elapsed() - BEAT).as_micros() as u64, Relaxed);
            }
        });
        Self {
            thread: Some(thread),
            over,
            longest_us,
        }
    }

    /// The longest wait since it was last asked.
    pub(super) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.swap(0, Relaxed))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
