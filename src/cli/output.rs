//! Standard output and standard error: the only place of the command line that writes to them, besides the log. Whatever
//! is written is escaped here (`escape`), so no text of others moves a terminal's cursor.
//!
//! `println!` panics where the reader has gone, as `head` has after ten lines. Here such text is dropped and the work goes
//! on: `stillhouse import … | head -1` still imports. Any other failure, such as a full disk, is remembered, and the
//! program ends with it ([`finish`]).

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

use super::escape;

/// The first failure of a write to standard output.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}

/// Prints text to standard output, without a line's end.
macro_rules! say_text {
    ($($text:tt)*) => { $crate::cli::output::text(format_args!($($text)*)) };
}

/// Prints a line to standard error.
macro_rules! note {
    ($($text:tt)*) => { $crate::cli::output::note_line(format_args!($($text)*)) };
}

/// Prints text to standard error, without a line's end.
macro_rules! note_text {
    ($($text:tt)*) => { $crate::cli::output::note_text(format_args!($($text)*)) };
}

/// See [`say!`].
pub(super) fn line(line: fmt::Arguments<'_>) {
    text(format_args!("{line}\n"));
}

/// See [`say_text!`].
pub(super) fn text(text: fmt::Arguments<'_>) {
    let text = text.to_string();
    let written = io::stdout()
        .lock()
        .write_all(escape::text(&text).as_bytes());
    written.unwrap_or_else(remember);
}

/// See [`note!`]. Nobody is left who could be informed of a failure.
pub(super) fn note_line(line: fmt::Arguments<'_>) {
    note_text(format_args!("{line}\n"));
}

/// See [`note_text!`].
pub(super) fn note_text(text: fmt::Arguments<'_>) {
    let text = text.to_string();
    note_raw(&escape::text(&text));
}

fn note_raw(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// Standard output as a writer for the verbs that are also run with other writers.
pub(super) struct Stdout;

impl Write for Stdout {
    /// Takes whole characters, as `write!` gives them: a character that is cut comes out as U+FFFD.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let written = io::stdout().write_all(escape::text(&text).as_bytes());
        written.unwrap_or_else(remember);
        Ok(bytes.len())
    }

    /// Fails where nobody reads any more, so that a verb which repeats itself for ever ends.
    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().unwrap_or_else(remember);
        let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some(error) => Err(error.kind().into()),
            None => Ok(()),
        }
    }
}

fn remember(error: io::Error) {
    let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    failure.get_or_insert(error);
}

/// Writes what is buffered; an error is what kept the output from its reader, unless the reader has gone.
pub(super) fn finish() -> Result<(), io::Error> {
    io::stdout().flush().unwrap_or_else(remember);
    let mut failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    match failure.take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Whether a verb ended only because nobody reads its output.
pub(super) fn has_no_reader(error: &anyhow::Error) -> bool {
    let error: Option<&io::Error> = error.downcast_ref();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A line on standard error that is drawn over the one before, where that is a terminal; elsewhere a line of its own.
pub(super) fn progress(line: &str) {
    match io::stderr().is_terminal() {
        true => note_raw(&format!("\r\x1b[K{}", escape::line(line))),
        false => note!("{line}"),
    }
}

/// Empties the screen, where standard output is one.
pub(super) fn clear() {
    if io::stdout().is_terminal() {
        let cleared = io::stdout().write_all(b"\x1b[H\x1b[J");
        cleared.unwrap_or_else(remember);
    }
}

/// Ends the line of [`progress`].
pub(super) fn progress_ends() {
    if io::stderr().is_terminal() {
        note!("");
    }
}
