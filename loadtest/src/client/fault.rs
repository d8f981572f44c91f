//! Why there was no answer.

use std::io;

/// A request without a whole answer.
#[derive(Debug)]
pub enum Fault {
    /// No connection.
    Connect(io::Error),
    /// The connection ended before the whole answer had come.
    Closed(String),
    /// Nothing came in time.
    Timeout,
    /// What came isn't HTTP.
    Protocol(String),
}

impl Fault {
    /// The reason by which it is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "can't connect",
            Self::Closed(_) => "connection closed before the answer",
            Self::Timeout => "no answer in time",
            Self::Protocol(_) => "not HTTP",
        }
    }

    /// What exactly happened.
    pub fn detail(&self) -> String {
        match self {
            Self::Connect(error) => error.to_string(),
            Self::Closed(detail) | Self::Protocol(detail) => detail.clone(),
            Self::Timeout => "see --timeout".into(),
        }
    }
}
