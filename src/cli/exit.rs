//! Exit codes: the one table that `--help`, the man page and the documentation repeat.

use std::process::ExitCode;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// What was asked for is done.
    Done,
    /// It isn't, or a check found something wrong.
    Failed,
    /// The command line can't be read.
    Usage,
    /// `canary start --wait`: the canary was rolled back, aborted or replaced.
    NotPromoted,
    /// `canary start --wait`: undecided when the time was up.
    Undecided,
}

/// Every exit code with its meaning.
pub(super) const CODES: [(u8, &str); 6] = [
    (0, "done; for a check: everything is good, warnings allowed"),
    (
        1,
        "not done; for a check: something is wrong. Standard error says what",
    ),
    (2, "the command line can't be read"),
    (
        3,
        "canary start --wait: the canary was rolled back, aborted or replaced",
    ),
    (
        4,
        "canary start --wait: not decided within --wait-timeout-seconds; the canary goes on",
    ),
    (130, "serve: a second SIGTERM or SIGINT cut the drain short"),
];

impl Exit {
    /// What the shell sees.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotPromoted => 3,
            Self::Undecided => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
