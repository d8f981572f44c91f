//! What the C library's allocator keeps.

/// Lets glibc have as many heaps as there are cores, at least two, instead of eight times as many. Engines are made and freed on
/// threads of their own, each of which would get a heap of its own, whose free pages no other thread uses again: a hundred
/// versions that come and go left 31 % more resident memory, with this 2 %. Call it before the first thread starts;
/// elsewhere than on glibc it does nothing.
pub fn limit_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// `M_ARENA_MAX` in malloc.h.
        const ARENA_MAX: std::ffi::c_int = -8;
        unsafe extern "C" {
            /// Takes any two numbers and says 0 to those it doesn't know: mallopt(3).
            safe fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        mallopt(ARENA_MAX, cores.clamp(2, 64) as std::ffi::c_int);
    }
}
