//! Memory that freed engines leave behind.

/// Gives memory back to the system that the allocator keeps for later. Engines are made and freed on threads of their own,
/// each with a heap of its own in glibc, whose free pages no other thread would use again: without this every version that
/// comes and goes leaves some. Takes about a millisecond; elsewhere than on glibc it does nothing.
pub fn give_back_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            /// Has no preconditions: malloc_trim(3).
            safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        malloc_trim(0);
    }
}
