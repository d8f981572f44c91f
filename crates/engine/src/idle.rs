//! Idle priority for threads.
//!
//! On Linux this is the scheduling policy `SCHED_IDLE`. A high nice value is not enough: it only changes shares, while a
//! running thread keeps the processor to the end of its slice of some milliseconds, which delays every step of a request that
//! wakes up behind it.

use std::{sync::OnceLock, thread};

/// Lets the calling thread, and the threads that it starts from now on, run only when a core is otherwise idle. Does nothing
/// on systems other than Linux, or where it isn't permitted.
pub fn give_way() {
    policy::set(policy::IDLE);
}

/// Runs `work` at idle priority if the thread may return to normal priority afterwards, which takes `CAP_SYS_NICE`; otherwise
/// runs it at the present priority.
pub fn giving_way<T>(work: impl FnOnce() -> T) -> T {
    /// Tried once, on a thread that ends right after.
    static MAY_RETURN: OnceLock<bool> = OnceLock::new();
    let may_return = MAY_RETURN.get_or_init(|| {
        let try_it = || policy::set(policy::IDLE) && policy::set(policy::NORMAL);
        thread::spawn(try_it).join().unwrap_or(false)
    });
    if !may_return {
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

    pub(super) const NORMAL: c_int = libc::SCHED_OTHER;
    pub(super) const IDLE: c_int = libc::SCHED_IDLE;
    const CALLING_THREAD: libc::pid_t = 0;

    /// Sets the calling thread's policy; `false` where that isn't permitted.
    pub(super) fn set(policy: c_int) -> bool {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the third argument points to a `sched_param` that lives until the call returns, and is only read.
        unsafe { libc::sched_setscheduler(CALLING_THREAD, policy, &raw const parameters) == 0 }
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
