//! What can be wrong with the form of a request: its query, its headers, the syntax of its body.

/// Why a request is invalid; always the client's fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// An unknown or malformed query parameter.
    #[error("query: {0}")]
    Query(String),
    /// The timeout header isn't a number.
    #[error("the header x-timeout-ms must be a whole number of milliseconds")]
    Timeout,
    /// Not JSON, or not in the expected form.
    #[error(
        "JSON: {0}; expected {{\"instances\": [{{\"b64\": \"...\"}}, ...]}} or nested numbers in place of the objects"
    )]
    Json(String),
    /// Not base64.
    #[error("instance {index}: `b64` is not valid base64")]
    Base64 {
        /// Position in `instances`.
        index: usize,
    },
    /// Not a valid multipart body.
    #[error("multipart: {0}")]
    Multipart(String),
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
        }
    }
}
