//! Work that others must not feel.

/// Lets the calling thread, and those it starts from now on, run only where nobody else wants to: on Linux under the policy
/// `SCHED_IDLE`. A high nice value is not enough, since a thread that is running keeps the processor to the end of its slice
/// of some milliseconds, and every step of a request that wakes up behind it waits. There is no way back for a thread without
/// privileges, so those that will answer must not be started from here. Elsewhere, or where it is refused, nothing happens.
pub fn give_way() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;

        /// `struct sched_param` of sched.h.
        #[repr(C)]
        struct Parameters {
            priority: c_int,
        }
        unsafe extern "C" {
            fn sched_setscheduler(
                thread: c_int,
                policy: c_int,
                parameters: *const Parameters,
            ) -> c_int;
        }
        const CALLING_THREAD: c_int = 0;
        const SCHED_IDLE: c_int = 5;
        let parameters = Parameters { priority: 0 };
        // SAFETY: the third argument points to what sched_setscheduler(2) reads, for as long as it reads.
        let _ = unsafe { sched_setscheduler(CALLING_THREAD, SCHED_IDLE, &raw const parameters) };
    }
}
