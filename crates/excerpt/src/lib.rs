//! What a caller wrote, cut to a length that may be repeated in an answer, a log line or a header.
//!
//! A request of kilobytes, compressed, may hold a word of megabytes. An error that repeats such a word is as large as the
//! word, several times over. So errors hold an [`Excerpt`] where they repeat what a caller wrote, and never a `String`.

use std::{
    collections::VecDeque,
    fmt::{self, Display, Write},
};

/// The longest excerpt in characters.
pub const MAX_CHARS: usize = 200;

/// Of a longer text, so many characters of its end are kept: parsers put the position there.
const TAIL_CHARS: usize = 50;

const GAP: &str = " ... ";

/// At most [`MAX_CHARS`] characters of a text: its beginning and its end. Control characters, and marks that change the
/// direction of text, are written as escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt(Box<str>);

impl Excerpt {
    /// Takes the excerpt while the text is being written: the whole text never exists here.
    pub fn of(text: impl Display) -> Self {
        let mut cutter = Cutter::default();
        write!(cutter, "{text}").expect("a cutter takes everything");
        Self(cutter.finish().into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Excerpt {
    fn from(text: &str) -> Self {
        Self::of(text)
    }
}

impl From<String> for Excerpt {
    fn from(text: String) -> Self {
        Self::of(text)
    }
}

/// Keeps the first and the last characters of what is written.
#[derive(Default)]
struct Cutter {
    head: String,
    head_chars: usize,
    tail: VecDeque<char>,
    dropped: bool,
}

impl Cutter {
    fn push(&mut self, character: char) {
        if self.head_chars < MAX_CHARS - TAIL_CHARS - GAP.len() {
            self.head.push(character);
            self.head_chars += 1;
            return;
        }
        // Without a gap, there is room for as many characters more as the gap has.
        if self.tail.len() == TAIL_CHARS + GAP.len() {
            self.tail.pop_front();
            self.dropped = true;
        }
        self.tail.push_back(character);
    }

    fn finish(mut self) -> String {
        if self.dropped {
            self.head.push_str(GAP);
            self.tail.drain(..GAP.len());
        }
        self.head.extend(self.tail);
        self.head
    }
}

impl Write for Cutter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match changes_the_line(character) {
                true => character.escape_unicode().for_each(|one| self.push(one)),
                false => self.push(character),
            }
        }
        Ok(())
    }
}

/// Control characters, line ends, and the marks of bidirectional text.
pub fn changes_the_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_text_is_kept_and_a_long_one_keeps_its_ends() {
        assert_eq!(
            Excerpt::of("unknown field `a`").as_str(),
            "unknown field `a`"
        );
        let just = "x".repeat(MAX_CHARS);
        assert_eq!(Excerpt::of(&just).as_str(), just);
        let long = format!(
            "unknown field `{}` at line 1 column 7",
            "x".repeat(5_000_000)
        );
        let excerpt = Excerpt::of(&long);
        assert_eq!(excerpt.as_str().chars().count(), MAX_CHARS);
        assert!(excerpt.as_str().starts_with("unknown field `xxx"));
        assert!(excerpt.as_str().contains(GAP));
        assert!(excerpt.as_str().ends_with("x` at line 1 column 7"));
    }

    #[test]
    fn nothing_in_it_moves_a_terminal_or_a_line() {
        let excerpt = Excerpt::of("a\u{1b}[2J\r\nb\u{202e}c");
        assert_eq!(excerpt.as_str(), "a\\u{1b}[2J\\u{d}\\u{a}b\\u{202e}c");
    }

    proptest! {
        #[test]
        fn it_is_never_longer(text in "\\PC{0,500}|[\\x00-\\x1f]{0,300}") {
            let excerpt = Excerpt::of(&text);
            prop_assert!(excerpt.as_str().chars().count() <= MAX_CHARS);
            prop_assert!(!excerpt.as_str().chars().any(changes_the_line));
        }
    }
}
