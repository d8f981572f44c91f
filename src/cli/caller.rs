//! A child process that doesn't outlive the process that started it.

use std::{io, thread};

/// Calls `end` when standard input ends: the caller has exited or closed it. The kernel's parent-death signal is no
/// replacement, because it follows the thread that started this process, and a server's threads come and go.
pub fn end_with_the_caller(end: fn() -> !) {
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        end();
    });
}
