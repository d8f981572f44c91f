//! The chain: every line states the hash of its own bytes after the hash of the line before.
//!
//! A line is `{"hash":"<64 hexadecimal digits>","entry":<entry>}`, in exactly these bytes; the hash is the SHA-256 of the line
//! before's hash (its 64 digits; zeros before the first) followed by the bytes of `<entry>`. No byte of a line can change
//! without its hash, its form or its place showing it.
//!
//! Anybody who can write the file can compute such a hash. With a key, a line is `{"mac":"...","entry":<entry>}`, with the
//! HMAC-SHA-256 of the same bytes. A log may begin without a key; behind the first line with one, each must have one.

use serde::Deserialize;

use super::{
    Entry, Fault, JournalError, Seal,
    entry::{Line, Numbered},
};
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

/// Longer lines are neither written nor read.
pub(super) const LINE_BYTES: usize = 1 << 20;

const HASHED: &str = "{\"hash\":\"";
const KEYED: &str = "{\"mac\":\"";
const MIDDLE: &str = "\",\"entry\":";
const HASH_DIGITS: usize = 64;

/// Where a chain ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) seq: u64,
    pub(super) hash: String,
    /// Whether it takes a key to make such a line.
    pub(super) keyed: bool,
}

impl Tip {
    /// Before the first line.
    pub(super) fn origin() -> Self {
        Self {
            seq: 0,
            hash: "0".repeat(HASH_DIGITS),
            keyed: false,
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
    pub(super) fn after(previous: &Tip, entry: &Entry, seal: &Seal) -> Result<Self, JournalError> {
        let seq = previous.next_seq();
        let json = serde_json::to_string(&Numbered { seq, entry })
            .expect("an entry's keys are text, and nothing in it refuses to be written");
        let (hash, keyed) = (hash(previous, &json, seal), seal.is_keyed());
        let opening = if keyed { KEYED } else { HASHED };
        let text = format!("{opening}{hash}{MIDDLE}{json}}}");
        if text.len() >= LINE_BYTES {
            return Err(JournalError::TooLong {
                found_bytes: text.len() + 1,
                limit_bytes: LINE_BYTES,
            });
        }
        Ok(Self {
            tip: Tip { seq, hash, keyed },
            text,
            change: entry.model.clone().zip(entry.to.clone()),
        })
    }

    /// Reads a line as it stands, whatever it follows.
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let (hash, keyed, entry) = split(text)
            .ok_or_else(|| Fault::Form(format!("expected {HASHED}<sha256>{MIDDLE}...}}")))?;
        let Effect { seq, model, to } =
            serde_json::from_str(entry).map_err(|error| Fault::Form(error.to_string()))?;
        let hash = hash.into();
        Ok(Self {
            tip: Tip { seq, hash, keyed },
            text: text.into(),
            change: model.zip(to),
        })
    }

    /// Whether it is the line that follows.
    pub(super) fn follows(&self, previous: &Tip, seal: &Seal) -> Result<(), Fault> {
        let seal = match (self.tip.keyed, seal) {
            (true, Seal::Hash) => return Err(Fault::NeedsKey),
            (false, _) if previous.keyed => return Err(Fault::Unkeyed),
            (false, _) => &Seal::Hash,
            (true, keyed) => keyed,
        };
        let computed = hash(previous, self.entry(), seal);
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
        split(&self.text).expect("split when it was read").2
    }
}

/// A line's seal, whether that took a key, and the bytes that it is over.
fn split(text: &str) -> Option<(&str, bool, &str)> {
    let (keyed, rest) = match text.strip_prefix(KEYED) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix(HASHED)?),
    };
    let (hash, rest) = rest.split_at_checked(HASH_DIGITS)?;
    let digits = hash
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let entry = rest.strip_prefix(MIDDLE)?.strip_suffix('}')?;
    digits.then_some((hash, keyed, entry))
}

fn hash(previous: &Tip, entry: &str, seal: &Seal) -> String {
    seal.over(&[previous.hash.as_bytes(), entry.as_bytes()])
}
