//! Why a request to the admin plane was refused before it reached the control plane.

use stillhouse_excerpt::Excerpt;
use stillhouse_store::NameError;

/// What keeps an operator from an answer, besides what the control plane says.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No token.
    #[error("this needs a token: send `Authorization: Bearer SECRET`")]
    NoToken,
    /// A token that is none of this server's.
    #[error("the token that was sent is wrong: no line of this server's tokens has this secret")]
    WrongToken,
    /// Guessing.
    #[error(
        "too many wrong tokens came from this address, or from all together: this one was not looked at; try again in a second"
    )]
    TooManyGuesses,
    /// A viewer who wants to change something.
    #[error("this token may read; changing something takes an operator's")]
    ReadOnly,
    /// A page of another site sent it.
    #[error("this request comes from a page of another site ({0}), which may not speak for you")]
    CrossSite(Excerpt),
    /// Without tokens, only those who name this machine are let in: a page could make any name point here.
    #[error("without tokens this server is reached as localhost or by its address, not as {0}")]
    ForeignHost(Excerpt),
    /// Neither `If-Match` nor `force`.
    #[error(
        "say which generation this order is for: `If-Match: \"N\"` with the ETag of GET /admin/models/{{model}}, or ?force=true"
    )]
    NoPrecondition,
    /// An `If-Match` that is none of ours.
    #[error("If-Match must be a generation in quotes, such as \"3\"")]
    Precondition,
    /// An order that can't be read.
    #[error("the order can't be read: {0}")]
    Order(Excerpt),
    /// A query that can't be read.
    #[error("query: {0}")]
    Query(Excerpt),
    /// A version's name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The same key for another order.
    #[error("this Idempotency-Key has been used for another order; take a new one")]
    KeyReused,
    /// As many upload as may.
    #[error("as many uploads as allowed are running; try again later")]
    TooManyUploads,
    /// As many follow the events as may.
    #[error("too many event streams are open; close one, or try again later")]
    TooManyEventStreams,
    /// Not the number of an event.
    #[error("Last-Event-ID must be the number of an event, such as 1764278400000")]
    EventId,
    /// A key that is no key.
    #[error("an Idempotency-Key has 1 to 128 printable ASCII characters")]
    Key,
}
