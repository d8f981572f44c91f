//! The server's worker threads, as the kernel lists them: looking at them costs the server nothing.

use std::{fs, thread, time::Duration};

/// Waits until no worker of a version is left in the process: each frees its engine before it ends.
pub(crate) fn wait_for_the_last(process: u32, version: &str) -> anyhow::Result<()> {
    // The kernel keeps 15 bytes of a thread's name.
    let name = &version[..version.len().min(15)];
    loop {
        let mut left = false;
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            // A thread that has ended meanwhile has no name.
            let comm = fs::read_to_string(task?.path().join("comm"));
            left |= comm.is_ok_and(|comm| comm.starts_with(name));
        }
        if !left {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
}
