//! The chain: every line states the hash of its own bytes after the hash of the line before.
//!
//! A line is `{"hash":"<64 hexadecimal digits>","entry":<entry>}`, in exactly these bytes; the hash is the SHA-256 of the line
//! before's hash (its 64 digits; zeros before the first) followed by the bytes of `<entry>`. No byte of a line can change
//! without its hash, its form or its place telling.

use std::io::{self, BufRead, Read};

use serde::Deserialize;

use super::{
    Entry, Fault, JournalError,
    entry::{Line, Numbered},
};
use crate::{
    rollout::Assignment,
    store::{ModelName, sha256},
};

/// Longer lines are neither written nor read.
pub(super) const LINE_BYTES: usize = 1 << 20;

const OPENING: &str = "{\"hash\":\"";
const MIDDLE: &str = "\",\"entry\":";
const HASH_DIGITS: usize = 64;

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) seq: u64,
    pub(super) hash: String,
}

impl Tip {
    /// Before the first line.
    pub(super) fn origin() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(HASH_DIGITS),
        }
    }

    /// The next line's number. A forged log may have used up all there are.
    fn next_seq(&self) -> u64 {
        self.seq.saturating_add(1)
    }
}

/// One line, without its line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) tip: Tip,
    pub(super) text: String,
    /// Whom it gives which assignment, if it is a change.
    pub(super) change: Option<(ModelName, Assignment)>,
}

/// What of an entry decides who answers.
#[derive(Deserialize)]
struct Effect {
    seq: u64,
    model: Option<ModelName>,
    to: Option<Assignment>,
}

impl Link {
    /// The line that says `entry` after `previous`.
    pub(super) fn after(previous: &Tip, entry: &Entry) -> Result<Self, JournalError> {
        let seq = previous.next_seq();
        let json = serde_json::to_string(&Numbered { seq, entry })
            .expect("an entry's keys are text, and nothing in it refuses to be written");
        let hash = hash(previous, &json);
        let text = format!("{OPENING}{hash}{MIDDLE}{json}}}");
        if text.len() >= LINE_BYTES {
            return Err(JournalError::TooLong {
                found_bytes: text.len() + 1,
                limit_bytes: LINE_BYTES,
            });
        }
        Ok(Self {
            tip: Tip { seq, hash },
            text,
            change: entry.model.clone().zip(entry.to.clone()),
        })
    }

    /// Reads a line as it stands, whatever it follows.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let (hash, entry) = split(text)
            .ok_or_else(|| Fault::Form(format!("expected {OPENING}<sha256>{MIDDLE}...}}")))?;
        let Effect { seq, model, to } =
            serde_json::from_str(entry).map_err(|error| Fault::Form(error.to_string()))?;
        let hash = hash.into();
        Ok(Self {
            tip: Tip { seq, hash },
            text: text.into(),
            change: model.zip(to),
        })
    }

    /// Whether it is the line that follows.
    pub(super) fn follows(&self, previous: &Tip) -> Result<(), Fault> {
        let computed = hash(previous, self.entry());
        if computed != self.tip.hash {
            let stated = self.tip.hash.clone();
            return Err(Fault::Hash { stated, computed });
        }
        let (found, expected) = (self.tip.seq, previous.next_seq());
        if found != expected {
            return Err(Fault::Sequence { found, expected });
        }
        Ok(())
    }

    /// All that it says.
    pub(super) fn line(&self) -> Result<Line, Fault> {
        let Numbered { seq, entry } =
            serde_json::from_str(self.entry()).map_err(|error| Fault::Form(error.to_string()))?;
        let hash = self.tip.hash.clone();
        Ok(Line { seq, entry, hash })
    }

    fn entry(&self) -> &str {
        split(&self.text).expect("split when it was read").1
    }
}

fn split(text: &str) -> Option<(&str, &str)> {
    let (hash, rest) = text.strip_prefix(OPENING)?.split_at_checked(HASH_DIGITS)?;
    let digits = hash
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let entry = rest.strip_prefix(MIDDLE)?.strip_suffix('}')?;
    digits.then_some((hash, entry))
}

fn hash(previous: &Tip, entry: &str) -> String {
    sha256([previous.hash.as_str(), entry].concat().as_bytes())
}

/// Goes through a log from its first line, with a bounded piece of it in memory.
pub(super) struct Walk<R> {
    reader: R,
    /// Of the last line that could be read: the next is expected to follow on it, whatever was wrong with it.
    pub(super) tip: Tip,
    /// How many lines have ended.
    pub(super) lines: u64,
    /// Up to the last line break.
    pub(super) length_bytes: u64,
    line: Vec<u8>,
}

/// One line of a walk; the number counts from 1.
pub(super) struct Visited {
    pub(super) number: u64,
    /// None if it can't be read at all.
    pub(super) link: Option<Link>,
    pub(super) fault: Option<Fault>,
}

impl<R: BufRead> Walk<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            tip: Tip::origin(),
            lines: 0,
            length_bytes: 0,
            line: vec![],
        }
    }

    /// None at the end.
    pub(super) fn step(&mut self) -> io::Result<Option<Visited>> {
        self.line.clear();
        let limit = LINE_BYTES as u64;
        let mut bytes = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.line)? as u64;
        let mut ended = self.line.ends_with(b"\n");
        if bytes == limit && !ended {
            let (more, at_break) = pass_over_line(&mut self.reader)?;
            bytes += more;
            ended = at_break;
        }
        if bytes == 0 {
            return Ok(None);
        }
        let number = self.lines + 1;
        if !ended {
            return Ok(Some(Visited {
                number,
                link: None,
                fault: Some(Fault::Cut { bytes }),
            }));
        }
        self.lines = number;
        self.length_bytes += bytes;
        Ok(Some(match self.read(bytes) {
            Err(fault) => Visited {
                number,
                link: None,
                fault: Some(fault),
            },
            Ok(link) => {
                let fault = link.follows(&self.tip).err();
                self.tip = link.tip.clone();
                Visited {
                    number,
                    link: Some(link),
                    fault,
                }
            }
        }))
    }

    fn read(&self, bytes: u64) -> Result<Link, Fault> {
        if bytes > LINE_BYTES as u64 {
            return Err(Fault::Form(format!("{bytes} bytes without a line break")));
        }
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let text = str::from_utf8(text).map_err(|error| Fault::Form(error.to_string()))?;
        Link::read(text)
    }
}

/// Reads on behind the next line break or to the end: how many bytes, and whether there was a break.
fn pass_over_line(reader: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let mut passed = 0;
    loop {
        let piece = reader.fill_buf()?;
        let at = memchr::memchr(b'\n', piece);
        let used = at.map_or(piece.len(), |at| at + 1);
        let ended = at.is_some() || used == 0;
        reader.consume(used);
        passed += used as u64;
        if ended {
            return Ok((passed, at.is_some()));
        }
    }
}
