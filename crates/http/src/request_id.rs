//! The id of a request, in header, body and log.

use std::sync::Arc;

use axum::http::{Extensions, HeaderMap};

/// Name of the header that carries the request's id, in and out.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The client's id if it can be logged safely, else a new one (UUID version 7).
#[derive(Clone, Debug)]
pub struct RequestId(Arc<str>);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let fit = |id: &&str| {
            (1..=128).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match given.filter(fit) {
            Some(id) => Self(id.into()),
            None => {
                let mut text = uuid::Uuid::encode_buffer();
                Self((&*uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text)).into())
            }
        }
    }

    /// The id that the middleware around every route gave to this request.
    pub fn given(extensions: &Extensions) -> &Self {
        extensions.get().expect("every route is surrounded")
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
