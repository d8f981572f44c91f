//! Middleware around every request: its id, the in-flight count, panics; each error is logged once.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::{
    error::ApiError,
    request_id::{REQUEST_ID, RequestId},
};
use stillhouse_metrics::Metrics;
use stillhouse_serving::ErrorKind;

/// Counters of requests in flight, ended and refused.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    in_flight: IntGauge,
    left: IntCounter,
    refusals: IntCounterVec,
}

impl HttpMetrics {
    /// Registers the families.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let no_labels: [&str; 0] = [];
        let refusals = metrics.counters(
            "refusals_total",
            "HTTP requests not answered with success, by the code in the answer.",
            &["reason"],
        );
        // A counter that starts with its first event shows no increase, and alerts depend on these.
        for kind in ErrorKind::ALL.iter().filter(|kind| kind.is_own_fault()) {
            refusals.with_label_values(&[kind.code()]);
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
    pub(crate) fn refused(&self, code: &str) {
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

/// Its `Drop` also notices a client that leaves: the future is then dropped and not finished.
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

/// How a front writes an error: type and bytes of its body.
pub(crate) type WriteError = fn(&ApiError, &RequestId) -> (HeaderValue, Body);

/// What [`surround`] needs.
#[derive(Clone)]
pub(crate) struct Surroundings {
    /// The counters of requests.
    pub metrics: HttpMetrics,
    /// How the front behind these routes writes an error.
    pub write_error: WriteError,
}

/// Runs around every request.
pub(crate) async fn surround(
    State(Surroundings {
        metrics,
        write_error,
    }): State<Surroundings>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut in_flight = metrics.enter();
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());

    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => ApiError::PANICKED.into_response(),
    };
    if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
        metrics.refused(error.row().code);
        error.log(&id);
        let (content_type, body) = write_error(&error, &id);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, content_type);
        *response.body_mut() = body;
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
        let surroundings = Surroundings {
            metrics: HttpMetrics::new(metrics),
            write_error: ApiError::write_problem,
        };
        let layer = middleware::from_fn_with_state(surroundings, surround);
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
