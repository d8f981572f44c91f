//! What is around every request: its id, its charge, the in-flight count, panics; each error is logged and counted once.

use std::{panic::AssertUnwindSafe, sync::Arc};

use axum::{
    BoxError, Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Uri, Version, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::body::Body as _;
use prometheus::{IntCounter, IntCounterVec, IntGauge};
use tower::ServiceExt;

use super::{
    drain::Drained,
    error::ApiError,
    listener::{
        answer::{ANSWER_BYTES, Answer},
        connection::Connection,
        head::{HeadError, is_host},
    },
    request_id::{REQUEST_ID, RequestId},
};
use stillhouse_metrics::Metrics;
use stillhouse_serving::{Account, Charge, ErrorKind};

/// What a request costs beside its head and body: its tasks and what they hold.
const REQUEST_BYTES: usize = 4 << 10;

/// What a header costs beside its name and value.
const HEADER_BYTES: usize = 64;

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
            "HTTP requests not answered with success, by the code in the answer; also what the HTTP library refuses, and answers that nobody reads.",
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

/// There is no room even for a refusal: hyper closes the connection, or resets the stream.
#[derive(Debug, thiserror::Error)]
#[error("there is no memory left for a refusal")]
pub(crate) struct NoRoom;

/// Routes, and what is around each of their requests.
#[derive(Clone)]
pub struct Routes {
    router: Router,
    /// The counters of requests.
    metrics: HttpMetrics,
    /// How the front behind these routes writes an error.
    write_error: WriteError,
}

impl Routes {
    pub(crate) fn new(router: Router, metrics: HttpMetrics, write_error: WriteError) -> Self {
        Self {
            router,
            metrics,
            write_error,
        }
    }

    /// The counters of requests.
    pub(crate) fn metrics(&self) -> &HttpMetrics {
        &self.metrics
    }

    /// Answers one request.
    pub(crate) async fn answer<B>(
        &self,
        connection: &Arc<Connection>,
        request: Request<B>,
    ) -> Result<Response<Answer>, NoRoom>
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (in_use, refusal) = connection.begin();
        let mut in_flight = self.metrics.enter();
        let account = connection.account();
        let id = RequestId::of(request.headers());
        let mut request = Drained::wrap(request);
        let (mut charge, response) = match admit(account, &request, refusal) {
            Err(error) => (None, error.into_response()),
            Ok(charge) => {
                let extensions = request.extensions_mut();
                extensions.insert(id.clone());
                extensions.insert(connection.clone());
                let answered = AssertUnwindSafe(self.router.clone().oneshot(request));
                let response = match answered.catch_unwind().await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => ApiError::PANICKED.into_response(),
                };
                (Some(charge), response)
            }
        };
        let mut response = self.written(response, &id);
        let known = response.body().size_hint().exact().unwrap_or(0);
        let needed = usize::try_from(known).unwrap_or(usize::MAX) + ANSWER_BYTES;
        if let Some(charge) = &mut charge
            && needed > charge.bytes()
            && let Err(error) = charge.grow(needed - charge.bytes())
        {
            response = self.written(ApiError::from(error).into_response(), &id);
        }
        let charge = match charge {
            Some(charge) => charge,
            None => account.charge_refusal(2 * ANSWER_BYTES).ok_or(NoRoom)?,
        };
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        in_flight.answered = true;
        Ok(response.map(|body| Answer::new(body, charge, in_use)))
    }

    /// Logs, counts and writes the error that a response carries.
    fn written(&self, mut response: Response, id: &RequestId) -> Response {
        if let Some(error) = response.extensions_mut().remove::<Arc<ApiError>>() {
            self.metrics.refused(error.row().code);
            error.log(id);
            let (content_type, body) = (self.write_error)(&error, id);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, content_type);
            // That of the body that is replaced.
            headers.remove(header::CONTENT_LENGTH);
            *response.body_mut() = body;
        }
        response
    }
}

/// Admits a request by its head.
fn admit<B>(
    account: &Account,
    request: &Request<B>,
    refusal: Option<HeadError>,
) -> Result<Charge, ApiError> {
    if let Some(error) = refusal {
        return Err(error.into());
    }
    // In HTTP/1 the gate has looked.
    if request.version() == Version::HTTP_2 {
        one_host(request.headers())?;
    }
    Ok(account.charge(head_bytes(request.uri(), request.headers()))?)
}

fn one_host(headers: &HeaderMap) -> Result<(), HeadError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let good = hosts.next().is_none_or(|host| is_host(host.as_bytes())) && hosts.next().is_none();
    good.then_some(()).ok_or(HeadError::Host)
}

fn head_bytes(uri: &Uri, headers: &HeaderMap) -> usize {
    let target = uri.path().len() + uri.query().map_or(0, str::len);
    let headers = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
    REQUEST_BYTES + target + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use axum::{http::StatusCode, routing::get};
    use http_body_util::BodyExt;
    use stillhouse_serving::Budget;

    use super::*;
    use crate::peer::Peer;

    fn routes(metrics: &Metrics) -> Routes {
        let router = Router::new()
            .route("/bug", get(async || -> &'static str { panic!("a secret") }))
            .route("/well", get(async || "well"));
        Routes::new(router, HttpMetrics::new(metrics), ApiError::write_problem)
    }

    async fn ask(routes: &Routes, path: &str) -> (StatusCode, String) {
        let request = Request::builder().uri(path).body(Body::empty());
        let connection = Connection::new(
            Budget::new(1 << 20, 1).account(),
            Peer(Ipv4Addr::LOCALHOST.into()),
        );
        let answer = routes
            .answer(&connection, request.expect("a request"))
            .await;
        let (head, body) = answer.expect("there is room").into_parts();
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
