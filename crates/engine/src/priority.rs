//! Work that others must not feel.
//!
//! On Linux a thread gives way under the policy `SCHED_IDLE`. A high nice value is not enough: it decides about shares, while
//! a running thread keeps the processor to the end of its slice of some milliseconds, and every step of a request that wakes
//! up behind it waits.

use std::{sync::OnceLock, thread};

/// Lets the calling thread, and those it starts from now on, run only where nobody else wants to. Elsewhere than on Linux, or
/// where it is refused, nothing happens.
pub fn give_way() {
    policy::set(policy::IDLE);
}

/// Runs `work` giving way, if this thread may then come back to what it was, which takes `CAP_SYS_NICE`; otherwise as it is.
pub fn giving_way<T>(work: impl FnOnce() -> T) -> T {
    /// Tried once, on a thread that is of no further use.
    static MAY_COME_BACK: OnceLock<bool> = OnceLock::new();
    let may_come_back = MAY_COME_BACK.get_or_init(|| {
        let try_it = || policy::set(policy::IDLE) && policy::set(policy::NORMAL);
        thread::spawn(try_it).join().unwrap_or(false)
    });
    if !may_come_back {
        return work();
    }
    policy::set(policy::IDLE);
    let done = work();
    policy::set(policy::NORMAL);
    done
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod policy {
    use std::ffi::c_int;

    pub(super) const NORMAL: c_int = 0;
    pub(super) const IDLE: c_int = 5;
    const CALLING_THREAD: c_int = 0;

    /// `struct sched_param` of sched.h.
    #[repr(C)]
    struct Parameters {
        priority: c_int,
    }

    unsafe extern "C" {
        fn sched_setscheduler(thread: c_int, policy: c_int, parameters: *const Parameters)
        -> c_int;
    }

    /// Whether it was allowed.
    pub(super) fn set(policy: c_int) -> bool {
        let parameters = Parameters { priority: 0 };
        // SAFETY: the third argument points to what sched_setscheduler(2) reads, for as long as it reads.
        unsafe { sched_setscheduler(CALLING_THREAD, policy, &raw const parameters) == 0 }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod policy {
    pub(super) const NORMAL: i32 = 0;
    pub(super) const IDLE: i32 = 5;

    pub(super) fn set(_: i32) -> bool {
        false
    }
}
