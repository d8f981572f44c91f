//! What can be wrong with the form of a request: its query, its headers, the syntax of its body.

use stillhouse_excerpt::Excerpt;

/// Why a request is invalid; always the client's fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// An unknown or malformed query parameter.
    #[error("query: {0}")]
    Query(Excerpt),
    /// The timeout header isn't a number.
    #[error("the header x-timeout-ms must be a whole number of milliseconds")]
    Timeout,
    /// Not JSON, or not in the expected form.
    #[error(
        "JSON: {0}; expected {{\"instances\": [{{\"b64\": \"...\"}}, ...]}} or nested numbers in place of the objects"
    )]
    Json(Excerpt),
    /// Not base64.
    #[error("instance {index}: `b64` is not valid base64: {fault}")]
    Base64 {
        /// Position in `instances`.
        index: usize,
        /// What is wrong.
        fault: Base64Fault,
    },
    /// Not a valid multipart body.
    #[error("multipart: {0}")]
    Multipart(Excerpt),
    /// A form's option that isn't a number.
    #[error("the form's field `{name}` must be a whole number")]
    FormOption {
        /// The field.
        name: &'static str,
    },
}

/// Why a text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Base64Fault {
    /// A character that no alphabet has.
    #[error("`{}` at position {position} is no symbol of it", symbol.escape_debug())]
    Symbol {
        /// The character.
        symbol: char,
        /// In bytes, from 0.
        position: usize,
    },
    /// The number of symbols is impossible.
    #[error("its number of symbols is impossible, as if it was cut")]
    Cut,
    /// Something follows the padding.
    #[error("`=` may only be at its end")]
    Padding,
    /// A data URL without base64.
    #[error("a data URL must be of the form data:image/png;base64,...")]
    DataUrl,
}

impl RequestError {
    /// Stable, for programs and counters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Query(_) => "query_invalid",
            Self::Timeout => "timeout_header_invalid",
            Self::Json(_) => "json_invalid",
            Self::Base64 { .. } => "base64_invalid",
            Self::Multipart(_) => "multipart_invalid",
            Self::FormOption { .. } => "form_option_invalid",
        }
    }
}
