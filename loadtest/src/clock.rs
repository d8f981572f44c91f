//! The run's time, a timer finer than tokio's millisecond, and processor time.

use std::time::{Duration, Instant};

/// Time since the run began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// The run begins at `origin`.
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// Nanoseconds since then; 0 before it.
    pub(crate) fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }

    /// The instant `ns` after the beginning.
    pub(crate) fn instant(&self, ns: u64) -> Instant {
        self.origin + Duration::from_nanos(ns)
    }
}

/// Processor time of this process, user and system.
pub(crate) fn cpu_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 * 1e-9
}

/// Wakes one waiting task at a time.
#[cfg(target_os = "linux")]
pub(crate) struct Timer {
    fd: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Timer {
    /// Within a tokio runtime.
    pub(crate) fn new() -> std::io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        use tokio::io::{Interest, unix::AsyncFd};

        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the descriptor is open, and AsyncFd owns it until it is dropped.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        Ok(Self { fd })
    }

    /// Returns once `due_ns` has passed.
    pub(crate) async fn until(&self, clock: Clock, due_ns: u64) -> std::io::Result<()> {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

        loop {
            let wait = clock
                .instant(due_ns)
                .saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(());
            }
            let once = Itimerspec {
                it_interval: Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                },
                it_value: Timespec {
                    tv_sec: wait.as_secs() as i64,
                    tv_nsec: wait.subsec_nanos().into(),
                },
            };
            timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &once)?;
            // The descriptor is edge-triggered and the timer is set anew each time, so its counter needn't be read.
            self.fd.readable().await?.clear_ready();
        }
    }
}

/// Wakes one waiting task at a time, with a resolution of a millisecond; what that costs shows in the generator's reported
/// lateness.
#[cfg(not(target_os = "linux"))]
pub struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub async fn until(&self, clock: Clock, due_ns: u64) -> std::io::Result<()> {
        tokio::time::sleep_until(clock.instant(due_ns).into()).await;
        Ok(())
    }
}
