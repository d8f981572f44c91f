//! A progress bar on the terminal.

use std::io::{IsTerminal, Write, stderr};

const WIDTH: usize = 30;

/// Progress in steps, printed to standard error if that is a terminal.
pub(crate) struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    /// Starts with none of `all` steps done.
    pub(crate) fn new(all: usize) -> Self {
        Self {
            done: 0,
            all,
            shown: stderr().is_terminal(),
        }
    }

    /// Shows the step that begins now.
    pub(crate) fn next(&mut self, what: &str) {
        if self.shown {
            // A closed terminal must not end the measurement.
            let _ = write!(stderr(), "\r\x1b[K{}", line(self.done, self.all, what));
            let _ = stderr().flush();
        }
        self.done += 1;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: usize, all: usize, what: &str) -> String {
    let filled = (WIDTH * done / all.max(1)).min(WIDTH);
    let (full, empty) = ("█".repeat(filled), "░".repeat(WIDTH - filled));
    format!("{full}{empty} {:3}% {what}", 100 * done / all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert!(line(0, 3, "starting").starts_with("░"));
        assert!(line(3, 3, "").starts_with(&"█".repeat(WIDTH)));
        assert!(line(1, 2, "floor").ends_with(" 50% floor"));
        assert!(line(9, 3, "").starts_with(&"█".repeat(WIDTH)));
    }
}
