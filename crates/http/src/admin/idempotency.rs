//! An order that is sent twice under one key is carried out once: a client whose connection broke may simply ask again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::AdminError;
use crate::error::ApiError;

/// Name of the header that carries the key.
pub const KEY: &str = "idempotency-key";

/// Keys beyond this many push out the oldest: a retry comes within minutes, not weeks. They don't outlive the process;
/// a retry across a restart meets its own generation in `If-Match` instead.
const REMEMBERED: usize = 1024;

/// What an order was answered.
#[derive(Clone, Debug)]
pub(super) struct StoredResponse {
    /// The deployment's generation, for the ETag.
    pub generation: Option<u64>,
    /// JSON.
    pub body: Bytes,
}

impl IntoResponse for StoredResponse {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(generation) = self.generation {
            let etag = HeaderValue::from_str(&format!("\"{generation}\""));
            headers.insert(header::ETAG, etag.expect("digits"));
        }
        response
    }
}

type Outcome = Result<StoredResponse, Arc<ApiError>>;

struct Kept {
    order: String,
    outcome: Arc<OnceCell<Outcome>>,
}

/// The answers of late.
#[derive(Default)]
pub(super) struct Remembered {
    kept: Mutex<(HashMap<String, Kept>, VecDeque<String>)>,
}

impl Remembered {
    /// Carries out an order, or answers as the first time where its key is known. `order` is all that makes it this order
    /// and no other. Runs to its end even if the client leaves.
    pub(super) async fn once(
        &self,
        caller: &str,
        headers: &HeaderMap,
        order: String,
        carry_out: impl Future<Output = Result<StoredResponse, ApiError>> + Send + 'static,
    ) -> Response {
        let Some(key) = headers.get(KEY) else {
            return carry_out.await.into_response();
        };
        let fit = |key: &&str| (1..=128).contains(&key.len());
        let Some(key) = key.to_str().ok().filter(fit) else {
            return ApiError::from(AdminError::Key).into_response();
        };
        let key = format!("{caller}\n{key}");
        let Some(outcome) = self.cell(&key, order) else {
            return ApiError::from(AdminError::KeyReused).into_response();
        };
        let task = tokio::spawn(async move {
            let outcome = outcome.get_or_init(|| async { carry_out.await.map_err(Arc::new) });
            outcome.await.clone()
        });
        match task
            .await
            .unwrap_or_else(|_| Err(Arc::new(ApiError::PANICKED)))
        {
            Ok(answered) => answered.into_response(),
            Err(error) => {
                // What failed on our side may succeed when it is tried again.
                if error.row().status.is_server_error() {
                    self.forget(&key);
                }
                again(error)
            }
        }
    }

    /// The cell of a key; none where the key stands for another order.
    fn cell(&self, key: &str, order: String) -> Option<Arc<OnceCell<Outcome>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (by_key, oldest_first) = &mut *kept;
        if let Some(known) = by_key.get(key) {
            return (known.order == order).then(|| known.outcome.clone());
        }
        if oldest_first.len() == REMEMBERED
            && let Some(oldest) = oldest_first.pop_front()
        {
            by_key.remove(&oldest);
        }
        oldest_first.push_back(key.to_owned());
        let outcome = Arc::new(OnceCell::new());
        let new = Kept {
            order,
            outcome: outcome.clone(),
        };
        by_key.insert(key.to_owned(), new);
        Some(outcome)
    }

    fn forget(&self, key: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0.remove(key);
        kept.1.retain(|known| known != key);
    }
}

/// The same error as an answer of its own, for the layer that logs and counts.
fn again(error: Arc<ApiError>) -> Response {
    let mut response = error.row().status.into_response();
    response.extensions_mut().insert(error);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use axum::http::StatusCode;

    use super::*;

    fn headers(key: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            header::HeaderName::from_static(KEY),
            key.parse().expect("a value"),
        )])
    }

    /// Sends an order that counts how often it is carried out; returns the status.
    async fn send(
        remembered: &Remembered,
        (caller, key, order): (&str, &str, &str),
        count: &Arc<AtomicUsize>,
        fails: bool,
    ) -> StatusCode {
        let count = count.clone();
        let carry_out = async move {
            count.fetch_add(1, SeqCst);
            if fails {
                return Err(ApiError::PANICKED);
            }
            let body = Bytes::from_static(b"{}");
            Ok(StoredResponse {
                generation: Some(2),
                body,
            })
        };
        remembered
            .once(caller, &headers(key), order.to_owned(), carry_out)
            .await
            .status()
    }

    #[tokio::test]
    async fn one_key_is_one_order() {
        let remembered = Remembered::default();
        let count = Arc::new(AtomicUsize::new(0));
        for (order, status, carried_out) in [
            (("anna", "k", "promote 3"), 200, 1),
            (("anna", "k", "promote 3"), 200, 1),
            (("anna", "k", "abort 3"), 422, 1),
            (("ben", "k", "abort 3"), 200, 2),
            (("anna", "l", "promote 3"), 200, 3),
            (("anna", "", "promote 3"), 400, 3),
        ] {
            let found = send(&remembered, order, &count, false).await;
            assert_eq!(
                (found.as_u16(), count.load(SeqCst)),
                (status, carried_out),
                "{order:?}"
            );
        }
    }

    #[tokio::test]
    async fn our_own_failures_are_not_kept() {
        let remembered = Remembered::default();
        let count = Arc::new(AtomicUsize::new(0));
        let order = ("anna", "k", "promote 3");
        assert_eq!(
            send(&remembered, order, &count, true).await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert_eq!(
            send(&remembered, order, &count, false).await,
            StatusCode::OK
        );
        assert_eq!(count.load(SeqCst), 2);
    }

    #[tokio::test]
    async fn the_oldest_keys_make_room() {
        let remembered = Remembered::default();
        let count = Arc::new(AtomicUsize::new(0));
        for key in 0..=REMEMBERED {
            send(
                &remembered,
                ("anna", &key.to_string(), "promote"),
                &count,
                false,
            )
            .await;
        }
        send(&remembered, ("anna", "1", "promote"), &count, false).await;
        assert_eq!(count.load(SeqCst), REMEMBERED + 1, "known");
        send(&remembered, ("anna", "0", "promote"), &count, false).await;
        assert_eq!(count.load(SeqCst), REMEMBERED + 2, "forgotten");
    }
}
