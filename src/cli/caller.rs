//! A child that doesn't outlive whoever started it.

use std::{io, thread};

/// Calls `end` when standard input ends: then the caller has gone, or no longer wants to know. The kernel's own signal
/// for that follows the thread that started us, and threads come and go while a server lives.
pub(super) fn end_with_the_caller(end: fn() -> !) {
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        end();
    });
}
