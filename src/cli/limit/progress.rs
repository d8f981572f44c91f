//! A line that says how far it is, on a terminal.

use std::io::{IsTerminal, Write, stderr};

const WIDTH: usize = 30;

/// Steps done of all, on standard error; silent where that is no terminal.
pub struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    /// Nothing done of so many steps.
    pub fn new(all: usize) -> Self {
        Self {
            done: 0,
            all,
            shown: stderr().is_terminal(),
        }
    }

    /// Says what is done next.
    pub fn next(&mut self, what: &str) {
        if self.shown {
            // Whoever reads no longer doesn't keep the figures from being taken.
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
