//! A question on a terminal.

use std::io::{self, IsTerminal, Write};

/// Whether somebody sits there who can be asked. Scripts say what they mean.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, which leaves standard output to the answer; anything but yes is no.
pub(super) fn confirmed(question: &str) -> io::Result<bool> {
    eprint!("{question} [y/N] ");
    io::stderr().flush()?;
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(
        line.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
