//! Settings of the C library's allocator.

/// Keeps glibc from holding on to the memory of versions that were unloaded. Does nothing on other C libraries.
///
/// It allows as many heaps as there are cores, at least two, instead of eight times as many: engines are built and dropped on
/// threads of their own, each of which would get a heap of its own, whose free pages no other thread uses again. And blocks
/// of a megabyte or more, such as an engine's weights and batches, always get a mapping of their own, which is returned to
/// the system when they are freed. glibc would raise that threshold to the largest block it has seen freed, up to 32 MB; such
/// blocks then lie in a heap, which can't shrink below the last small block behind them.
///
/// A hundred loads and unloads of a version left 31 % more resident memory with glibc's defaults. With the first setting it was
/// 2 %, but in every other run 20 to 53 %; with both settings 2 % in each of four runs.
///
/// # Safety
/// No other thread may be running: mallopt(3) writes the allocator's settings without a lock.
pub unsafe fn limit_heaps() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MIB: std::ffi::c_int = 1 << 20;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // SAFETY: the caller guarantees a single thread. mallopt takes any two numbers and returns 0 for those it can't use.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, cores.clamp(2, 64) as std::ffi::c_int);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MIB);
            // Free memory that may remain at the end of a heap. With 128 kB, the default once the threshold above is set,
            // requests with pictures would take and return the same pages again and again.
            libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * MIB);
        }
    }
}

/// Returns what lies free in the allocator's heaps to the system. Takes some milliseconds, in which other threads may have to wait
/// where they allocate. Does nothing on other C libraries.
pub fn return_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it may be called at any time, from any thread.
        unsafe { libc::malloc_trim(0) };
    }
}
