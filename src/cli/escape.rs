//! Text of others on a terminal: what would move the cursor, colour the screen or turn the reading direction is shown as an
//! escape.
//!
//! Manifests, labels, file names, reasons and errors of a server may hold such characters. So nothing of them is trusted:
//! `output` and `log`, the only places that write, pass everything through here. Escapes are JSON's, `\u001b`, so that JSON
//! stays JSON with the same value.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

use stillhouse_excerpt::changes_the_line;

/// Whether a terminal acts on a character, or a reader can't see what it does to the text around it.
fn is_unsafe(char: char) -> bool {
    changes_the_line(char)
        || matches!(char,
            // Deprecated marks of the reading direction; invisible letters.
            '\u{206a}'..='\u{206f}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            // Annotations and tags, which show nothing.
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Text that may have several lines.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    escaped(text, |char| is_unsafe(char) && char != '\n' && char != '\t')
}

/// Text within a line or a cell of a table.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unsafe)
}

fn escaped(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match is_unsafe(char) {
            false => safe.push(char),
            true => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(safe)
}

/// Standard error for the log: each write is one event and ends with the only line break that it may have. With `colours`,
/// the formatter's own are kept; it lets none of an event's pass.
pub(super) struct LogLine {
    pub(super) colours: bool,
}

impl LogLine {
    fn escaped(&self, event: &str) -> String {
        let body = event.strip_suffix('\n').unwrap_or(event);
        let mut safe = String::with_capacity(event.len());
        let mut rest = body;
        while let Some(at) = rest.find('\x1b').filter(|_| self.colours) {
            let colour = colour(&rest[at..]);
            safe += &line(&rest[..at]);
            safe += match colour {
                0 => "\\u001b",
                length => &rest[at..at + length],
            };
            rest = &rest[at + colour.max(1)..];
        }
        safe += &line(rest);
        safe.push('\n');
        safe
    }
}

/// How long the colour is that text begins with: `ESC [ digits and ; m`; 0 if it begins otherwise.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\x1b[") else {
        return 0;
    };
    let digits = |byte: &u8| byte.is_ascii_digit() || *byte == b';';
    let length = parameters.bytes().take_while(|byte| digits(byte)).count();
    match parameters.as_bytes().get(length) {
        Some(b'm') => length + 3,
        _ => 0,
    }
}

impl Write for LogLine {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let safe = self.escaped(&String::from_utf8_lossy(event));
        io::stderr().lock().write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\r\u{202e}b\u{7}\u{7f}\u{2066}c\u{e0041}";
    const SHOWN: &str = r"a\u001b[2J\u009b31m\u000d\u202eb\u0007\u007f\u2066c\udb40\udc41";

    #[test]
    fn d12_nothing_that_a_terminal_acts_on_is_left() {
        assert_eq!(text(HOSTILE), SHOWN);
        assert_eq!(line(HOSTILE), SHOWN);
        assert_eq!(text("two\nlines\tof text"), "two\nlines\tof text");
        assert_eq!(line("two\nlines"), r"two\u000alines");
        for plain in [
            "Ankle boot",
            "長靴",
            "bottes d’été",
            "👩‍🔬",
            "ботинок",
            "حذاء",
            "┌─┐",
        ] {
            assert!(matches!(text(plain), Cow::Borrowed(_)), "{plain}");
        }
    }

    #[test]
    fn d12_json_keeps_its_value() {
        let value = serde_json::json!({ "description": HOSTILE, "more": ["\n", "\u{202e}"] });
        for written in [value.to_string(), format!("{value:#}")] {
            let safe = text(&written);
            assert!(!safe.chars().any(|char| is_unsafe(char) && char != '\n'));
            let read: serde_json::Value = serde_json::from_str(&safe).expect("JSON");
            assert_eq!(read, value);
        }
    }

    #[test]
    fn d12_an_event_of_the_log_is_one_line_with_the_formatters_colours_alone() {
        let event = format!("\x1b[2m12:00\x1b[0m \x1b[1;33m WARN\x1b[0m {HOSTILE}\nforged\n");
        let colours = LogLine { colours: true }.escaped(&event);
        let expected = format!(
            "\x1b[2m12:00\x1b[0m \x1b[1;33m WARN\x1b[0m {SHOWN}{}forged\n",
            r"\u000a"
        );
        assert_eq!(colours, expected);
        let plain = LogLine { colours: false }.escaped(&event);
        assert!(
            !plain.contains('\x1b') && plain.matches('\n').count() == 1,
            "{plain}"
        );
    }
}
