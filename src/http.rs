//! The two routers: the data plane that answers the traffic, and the admin plane for those who run it.

pub mod admin;
pub mod answer;
mod body;
mod describe;
mod docs;
pub mod error;
pub mod floor;
#[doc(hidden)]
pub mod fuzzing;
mod layers;
pub mod listener;
mod observe;
mod predict;
mod question;
mod request;
mod route;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::Method,
    middleware,
    routing::{MethodRouter, get, post},
};
use prometheus::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{
    image::Limits,
    metrics::{LATENCY_SECONDS, Metrics},
    registry::Registry,
    rollout::TrafficMetrics,
};
use admin::AdminPlane;
use error::ApiError;
use layers::HttpMetrics;

/// `[requests]`: what one request may cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestSettings {
    /// Bytes of a body, as sent and once decompressed.
    pub max_body_bytes: usize,
    /// Pictures in one request.
    pub max_images: usize,
    /// Seconds within which a body must be complete.
    pub body_timeout_seconds: u64,
    /// Milliseconds within which a request is answered; a client may ask for less by `x-timeout-ms`.
    pub deadline_ms: u64,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_images: 64,
            body_timeout_seconds: 20,
            deadline_ms: 10_000,
        }
    }
}

impl RequestSettings {
    fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

/// What the handlers see.
pub struct DataPlane {
    registry: Arc<Registry>,
    settings: RequestSettings,
    limits: Limits,
    metrics: Metrics,
    traffic: TrafficMetrics,
    http_metrics: HttpMetrics,
    decode_duration: Histogram,
    heavy: Semaphore,
    ready: AtomicBool,
}

impl DataPlane {
    /// Registers the metrics of HTTP; not ready until [`DataPlane::set_ready`] says so.
    pub fn new(
        registry: Arc<Registry>,
        settings: RequestSettings,
        limits: Limits,
        metrics: Metrics,
        traffic: TrafficMetrics,
    ) -> Self {
        let no_labels: [&str; 0] = [];
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            registry,
            settings,
            limits,
            http_metrics: HttpMetrics::new(&metrics),
            decode_duration: metrics
                .histograms(
                    "decode_duration_seconds",
                    "From a picture's bytes to the network's pixels.",
                    &[],
                    LATENCY_SECONDS,
                )
                .with_label_values(&no_labels),
            metrics,
            traffic,
            heavy: Semaphore::new(cores),
            ready: AtomicBool::new(false),
        }
    }

    /// What `/readyz` answers.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// The models of this server.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Runs what takes milliseconds on a thread that may, at most one a core at a time: more would only hold memory.
    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _permit = self.heavy.acquire().await.expect("never closed");
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| ApiError::Panicked)
    }
}

/// Everything the traffic can reach.
pub fn data_router(plane: &Arc<DataPlane>) -> Router {
    data_routes(
        plane,
        post(predict::default_model),
        post(predict::named_model),
    )
}

type Predictor = MethodRouter<Arc<DataPlane>>;

fn data_routes(plane: &Arc<DataPlane>, default_model: Predictor, named: Predictor) -> Router {
    let routes = Router::new()
        .route("/predict", default_model)
        .route("/models", get(describe::list))
        .route("/models/{model}", get(describe::one))
        .route("/models/{model}/predict", named)
        .route("/livez", get(observe::livez))
        .route("/readyz", get(observe::readyz))
        .with_state(plane.clone())
        .merge(docs::router());
    surrounded(routes, plane)
}

/// What only those who run the server should reach.
pub fn admin_router(plane: &Arc<DataPlane>, admin: &Arc<AdminPlane>) -> Router {
    let routes = Router::new()
        .route("/livez", get(observe::livez))
        .route("/readyz", get(observe::readyz))
        .route("/metrics", get(observe::metrics))
        .with_state(plane.clone())
        .merge(admin::router(admin));
    surrounded(routes, plane)
}

fn surrounded(routes: Router, plane: &Arc<DataPlane>) -> Router {
    routes
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async |method: Method| ApiError::Method(method.to_string()))
        .layer(middleware::from_fn_with_state(
            plane.http_metrics.clone(),
            layers::surround,
        ))
}
