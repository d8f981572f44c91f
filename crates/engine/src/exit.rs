//! The end of a process in which a network still runs.

/// Ends the process at once, without the destructors of libraries: those of ONNX Runtime's would free what a thread that
/// is still in a run reads. What standard output and standard error hold back must have been flushed.
pub fn end_process(code: i32) -> ! {
    #[cfg(unix)]
    // SAFETY: _exit(2) takes any number, and doesn't return.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}
