//! What surrounds every request: its id, the in-flight count, panics, and errors told once.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Extensions, HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::{error::ApiError, request::RequestError};
use crate::metrics::Metrics;

/// Name of the header that carries the request's id, in and out.
pub const REQUEST_ID: &str = "x-request-id";

/// Name of the header by which a client shortens its deadline.
pub const TIMEOUT_MS: &str = "x-timeout-ms";

/// The codes of what is the server's own fault, or its operator's to mend; `error.rs` has them all.
const OWN_FAULTS: [&str; 7] = [
    "queue_full",
    "deadline_exceeded",
    "inference_failed",
    "inference_panicked",
    "non_finite_output",
    "worker_lost",
    "panicked",
];

/// Requests in flight, ended and refused.
#[derive(Clone)]
pub struct HttpMetrics {
    in_flight: IntGauge,
    left: IntCounter,
    refusals: IntCounterVec,
}

impl HttpMetrics {
    /// Registers the families.
    pub fn new(metrics: &Metrics) -> Self {
        let no_labels: [&str; 0] = [];
        let refusals = metrics.counters(
            "refusals_total",
            "HTTP requests not answered with success, by the code in the answer.",
            &["reason"],
        );
        // A counter that begins with its first event shows no increase, and these wake somebody.
        for code in OWN_FAULTS {
            refusals.with_label_values(&[code]);
        }
        Self {
            in_flight: metrics
                .gauges(
                    "requests_in_flight",
                    "HTTP requests being answered now.",
                    &[],
                )
                .with_label_values(&no_labels),
            left: metrics
                .counters(
                    "clients_gone_total",
                    "HTTP requests whose client left before the answer.",
                    &[],
                )
                .with_label_values(&no_labels),
            refusals,
        }
    }

    /// Counts one refusal.
    pub fn refused(&self, code: &str) {
        self.refusals.with_label_values(&[code]).inc();
    }

    fn enter(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight {
            metrics: self,
            answered: false,
        }
    }
}

/// Its `Drop` also sees the client that leaves: the future is dropped, not finished.
struct InFlight<'a> {
    metrics: &'a HttpMetrics,
    answered: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        if !self.answered {
            self.metrics.left.inc();
        }
    }
}

/// The id of a request: the client's where it is fit for a log, else a fresh one (UUID version 7).
#[derive(Clone, Debug)]
pub struct RequestId(Arc<str>);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
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

    /// The one that [`surround`] gave to this request.
    pub fn given(extensions: &Extensions) -> &Self {
        extensions.get().expect("every route is surrounded")
    }

    /// As it stands in header, body and log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The instant by which a request must be answered: the server's own limit or the client's, whichever is earlier.
///
/// # Errors
/// A header that is no whole number of milliseconds.
pub fn deadline(headers: &HeaderMap, limit: Duration) -> Result<Instant, RequestError> {
    let now = Instant::now();
    let Some(given) = headers.get(TIMEOUT_MS) else {
        return Ok(now + limit);
    };
    let milliseconds: u64 = given
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or(RequestError::Timeout)?;
    Ok(now + limit.min(Duration::from_millis(milliseconds)))
}

/// Around every request.
pub async fn surround(
    State(metrics): State<HttpMetrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut in_flight = metrics.enter();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());

    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => ApiError::Panicked.into_response(),
    };
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        metrics.refused(error.row().1);
        error.log(&id);
        let problem =
            serde_json::to_vec(&error.problem(id.as_str())).expect("strings and a number");
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        *response.body_mut() = Body::from(problem);
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    in_flight.answered = true;
    response
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode, middleware, routing::get};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn routes(metrics: &Metrics) -> Router {
        let layer = middleware::from_fn_with_state(HttpMetrics::new(metrics), surround);
        Router::new()
            .route("/bug", get(async || -> &'static str { panic!("a secret") }))
            .route("/well", get(async || "well"))
            .layer(layer)
    }

    async fn ask(routes: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).body(Body::empty());
        let answer = routes.clone().oneshot(request.expect("a request")).await;
        let (head, body) = answer.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (head.status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_a_500_and_poisons_nothing() {
        let metrics = Metrics::new();
        let routes = routes(&metrics);
        let (status, body) = ask(&routes, "/bug").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(
            body.contains("\"code\":\"panicked\"") && !body.contains("secret"),
            "{body}"
        );
        assert_eq!(ask(&routes, "/well").await, (StatusCode::OK, "well".into()));
        let text = String::from_utf8(metrics.render()).expect("text");
        for line in [
            "stillhouse_refusals_total{reason=\"panicked\"} 1",
            "stillhouse_requests_in_flight 0",
            "stillhouse_clients_gone_total 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
