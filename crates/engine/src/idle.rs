//! Idle priority for threads.
//!
//! On Linux this is the scheduling policy `SCHED_IDLE`. A high nice value is not enough: it only changes shares, while a
//! running thread keeps the processor to the end of its slice of some milliseconds, which delays every step of a request that
//! wakes up behind it.

use std::{sync::OnceLock, thread};

/// Lets the calling thread, and the threads that it starts from now on, run only when a core is otherwise idle. Does nothing
/// on systems other than Linux, or where it isn't permitted.
pub fn give_way() {
    policy::set(policy::CALLING_THREAD, policy::IDLE);
}

/// A thread as the kernel knows it, so that another thread can lower its priority.
#[derive(Clone, Copy, Debug)]
pub struct KernelThread(policy::Id);

impl KernelThread {
    /// The calling thread.
    pub fn current() -> Self {
        Self(policy::current())
    }

    /// Lets the thread run only when a core is otherwise idle; `false` where that isn't possible. It must not have ended:
    /// the kernel gives its number to another thread.
    pub fn give_way(self) -> bool {
        policy::set(self.0, policy::IDLE)
    }
}

/// Runs `work` at idle priority if the thread may return to normal priority afterwards, which takes `CAP_SYS_NICE`; otherwise
/// runs it at the present priority.
pub fn giving_way<T>(work: impl FnOnce() -> T) -> T {
    /// Tried once, on a thread that ends right after.
    static MAY_RETURN: OnceLock<bool> = OnceLock::new();
    let may_return = MAY_RETURN.get_or_init(|| {
        let set = |policy| policy::set(policy::CALLING_THREAD, policy);
        let try_it = move || set(policy::IDLE) && set(policy::NORMAL);
        thread::spawn(try_it).join().unwrap_or(false)
    });
    if !may_return {
        return work();
    }
    policy::set(policy::CALLING_THREAD, policy::IDLE);
    let done = work();
    policy::set(policy::CALLING_THREAD, policy::NORMAL);
    done
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod policy {
    use std::ffi::c_int;

    pub(super) const NORMAL: c_int = libc::SCHED_OTHER;
    pub(super) const IDLE: c_int = libc::SCHED_IDLE;
    pub(super) type Id = libc::pid_t;
    pub(super) const CALLING_THREAD: Id = 0;

    /// The calling thread's number.
    pub(super) fn current() -> Id {
        // SAFETY: gettid(2) takes nothing and can't fail.
        unsafe { libc::gettid() }
    }

    /// Sets a thread's policy; `false` where that isn't permitted.
    pub(super) fn set(thread: Id, policy: c_int) -> bool {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: the third argument points to a `sched_param` that lives until the call returns, and is only read.
        unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) == 0 }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod policy {
    pub(super) const NORMAL: i32 = 0;
    pub(super) const IDLE: i32 = 5;

    pub(super) type Id = ();
    pub(super) const CALLING_THREAD: Id = ();

    pub(super) fn current() -> Id {}

    pub(super) fn set((): Id, _: i32) -> bool {
        false
    }
}
