//! How one request ended.

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 2xx, and every check passed.
    Answered,
    /// 503 or 429: the server is overloaded.
    Refused,
    /// Anything else.
    Failed,
}
