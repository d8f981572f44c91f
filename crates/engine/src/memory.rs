//! What the C library's allocator keeps.

/// Keeps glibc from holding on to what versions leave behind that come and go. Call it before the first thread starts;
/// elsewhere than on glibc it does nothing.
///
/// There are as many heaps as there are cores, at least two, instead of eight times as many: engines are made and freed on
/// threads of their own, each of which would get a heap of its own, whose free pages no other thread uses again. And blocks
/// of a megabyte or more, as engines take them for weights and batches, are always mapped by themselves and given back when
/// they are freed. glibc would raise that limit to the largest block it has seen freed, up to 32 MB; such blocks then lie in
/// a heap, which can't shrink below the last small one behind them.
///
/// A hundred loads and unloads of a version left 31 % more resident memory without the first, with it 2 %, but in every other
/// run 20 to 53 %; with both 2 % in each of four runs.
pub fn limit_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::ffi::c_int;

        /// `M_ARENA_MAX` in malloc.h.
        const ARENA_MAX: c_int = -8;
        /// `M_MMAP_THRESHOLD`.
        const MMAP_THRESHOLD: c_int = -3;
        /// `M_TRIM_THRESHOLD`: what may lie free at the end of a heap. With 128 kB, the default once the other limit is set,
        /// requests with pictures would take and give back the same pages again and again.
        const TRIM_THRESHOLD: c_int = -1;
        unsafe extern "C" {
            /// Takes any two numbers and says 0 to those it doesn't know: mallopt(3).
            safe fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        mallopt(ARENA_MAX, cores.clamp(2, 64) as c_int);
        mallopt(MMAP_THRESHOLD, 1 << 20);
        mallopt(TRIM_THRESHOLD, 2 << 20);
    }
}
