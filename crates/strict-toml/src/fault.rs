//! The error type of one reading, before it is known where it happened.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::{Finding, suggest};

/// Serde's objection to a value; the place is filled in while the error propagates, innermost first.
#[derive(Debug)]
pub(super) struct Fault {
    message: Message,
    at: Option<(String, String)>,
}

#[derive(Debug)]
enum Message {
    Custom(String),
    Missing(&'static str),
    UnknownKey(String, String),
}

impl Fault {
    /// Fills in where it happened, unless that is known already.
    pub(super) fn at(mut self, path: &str, place: &str) -> Self {
        self.at.get_or_insert_with(|| (path.into(), place.into()));
        self
    }

    pub(super) fn finding(self, path: &str, place: &str) -> Finding {
        let (path, place) = self.at.unwrap_or_else(|| (path.into(), place.into()));
        let message = match self.message {
            Message::Custom(text) if path.is_empty() => text,
            Message::Custom(text) => format!("`{path}`: {text}"),
            Message::Missing(key) => format!("key `{}` is missing", join(&path, key)),
            Message::UnknownKey(key, hint) => {
                format!("unknown key `{}`: {hint}", join(&path, &key))
            }
        };
        Finding { place, message }
    }
}

/// The dotted key of `key` in the table at `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.into()
    } else {
        format!("{path}.{key}")
    }
}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: Message::Custom(message.to_string()),
            at: None,
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("found {found} where {expected} belongs"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "{found} is out of range: {expected} belongs here"
        ))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "`{variant}` is no value for it: {}",
            suggest(variant, known)
        ))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self {
            message: Message::UnknownKey(field.into(), suggest(field, known)),
            at: None,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            message: Message::Missing(field),
            at: None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Message::Custom(text) => f.write_str(text),
            Message::Missing(key) => write!(f, "key `{key}` is missing"),
            Message::UnknownKey(key, hint) => write!(f, "unknown key `{key}`: {hint}"),
        }
    }
}

impl std::error::Error for Fault {}
