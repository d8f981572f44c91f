//! A question on a terminal.

use std::io::{self, IsTerminal};

/// Whether the input is a terminal, so that a question can be asked. Scripts pass a flag instead.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on standard error, which leaves standard output to the answer; anything but yes is no.
pub(super) fn confirmed(question: &str) -> io::Result<bool> {
    note_text!("{question} [y/N] ");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(matches!(
        line.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
