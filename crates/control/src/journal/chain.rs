//! The chain: every line states the hash of its own bytes after the hash of the line before.
//!
//! A line is `{"hash":"<64 hexadecimal digits>","entry":<entry>}`, in exactly these bytes; the hash is the SHA-256 of the line
//! before's hash (its 64 digits; zeros before the first) followed by the bytes of `<entry>`. No byte of a line can change
//! without its hash, its form or its place showing it.

use serde::Deserialize;

use super::{
    Entry, Fault, JournalError,
    entry::{Line, Numbered},
};
use stillhouse_core::rollout::Assignment;
use stillhouse_store::{ModelName, sha256};

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
