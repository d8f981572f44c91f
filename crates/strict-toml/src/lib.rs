//! Strict TOML: a key that the target type doesn't have is an error that names its place and the nearest known key.
//!
//! Text becomes a [`Tree`] whose every value remembers its place (a line of a file, an environment variable, a flag);
//! the tree is read into a serde type, and *all* unknown keys are reported at once, each with the nearest right one.
//! Types read this way must not use `#[serde(flatten)]`: serde then hides the known keys from the deserializer.

mod fault;
mod node;
mod reader;
mod tree;

use serde::de::DeserializeOwned;
use std::{fmt, path::Path};

pub use tree::Tree;

/// Reads a whole file's text into `T`; `origin` is the name that errors give.
///
/// # Errors
/// Text that is no TOML, unknown keys (all of them), a missing key, a value of the wrong type.
pub fn parse<T: DeserializeOwned>(text: &str, origin: &Path) -> Result<T, StrictError> {
    Tree::parse(text, origin)?.typed()
}

/// Everything found wrong in one reading, in the order of discovery; displayed one finding a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", join(.findings))]
pub struct StrictError {
    /// Never empty.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `file:line`, or the name of an environment variable or flag.
    pub place: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl From<Finding> for StrictError {
    fn from(finding: Finding) -> Self {
        Self {
            findings: vec![finding],
        }
    }
}

fn join(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(Finding::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

/// `did you mean ...?` where one of `known` is near to `word`, else the list of what there is.
pub fn suggest(word: &str, known: &[&str]) -> String {
    let plain = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let nearest = known
        .iter()
        .map(|right| {
            (
                strsim::damerau_levenshtein(&plain(word), &plain(right)),
                right,
            )
        })
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, right)| *distance <= (right.len() / 3).max(1));
    match nearest {
        Some((_, right)) => format!("did you mean `{right}`?"),
        None if known.is_empty() => "nothing is known here".into(),
        None => format!("known here: `{}`", known.join("`, `")),
    }
}

#[cfg(test)]
mod tests;
