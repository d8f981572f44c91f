//! Why a request got no response.

use std::io;

/// A request without a complete response.
#[derive(Debug)]
pub(crate) enum RequestError {
    /// The connection could not be opened.
    Connect(io::Error),
    /// The connection was closed before the response was complete.
    Closed(String),
    /// The response didn't arrive within the time limit.
    Timeout,
    /// The response isn't valid HTTP.
    Protocol(String),
}

impl RequestError {
    /// The reason under which it is counted.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "can't connect",
            Self::Closed(_) => "connection closed before the answer",
            Self::Timeout => "no answer in time",
            Self::Protocol(_) => "not HTTP",
        }
    }

    /// Details of this occurrence.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Connect(error) => error.to_string(),
            Self::Closed(detail) | Self::Protocol(detail) => detail.clone(),
            Self::Timeout => "see --timeout".into(),
        }
    }
}
