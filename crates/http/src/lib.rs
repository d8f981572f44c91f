//! The two routers: the data plane for traffic, and the admin plane for operators.

pub mod admin;
mod admin_error;
pub mod answer;
mod body;
mod caller;
mod describe;
mod docs;
mod drain;
pub mod error;
pub mod floor;
#[doc(hidden)]
pub mod fuzzing;
mod layers;
pub mod listener;
mod observe;
mod peer;
mod predict;
mod request;
mod request_error;
mod request_id;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    http::Method,
    routing::{MethodRouter, get, post},
};

use admin::AdminPlane;
use error::ApiError;
use layers::HttpMetrics;
pub use layers::Routes;
use stillhouse_core::{registry::Registry, rollout::TrafficMetrics};
use stillhouse_metrics::Metrics;
use stillhouse_serving::Serving;

/// The state of the data plane's handlers.
pub struct DataPlane {
    serving: Serving,
    metrics: Metrics,
    traffic: TrafficMetrics,
    http_metrics: HttpMetrics,
    ready: AtomicBool,
}

impl DataPlane {
    /// Registers the metrics of HTTP; not ready until [`DataPlane::set_ready`] is called.
    pub fn new(serving: Serving, metrics: Metrics, traffic: TrafficMetrics) -> Self {
        Self {
            serving,
            http_metrics: HttpMetrics::new(&metrics),
            metrics,
            traffic,
            ready: AtomicBool::new(false),
        }
    }

    /// Sets what `/readyz` answers.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// The models of this server.
    pub fn registry(&self) -> &Registry {
        self.serving.registry()
    }
}

/// All routes for traffic.
pub fn data_router(plane: &Arc<DataPlane>) -> Routes {
    data_routes(
        plane,
        post(predict::default_model),
        post(predict::named_model),
    )
}

type Predictor = MethodRouter<Arc<DataPlane>>;

fn data_routes(plane: &Arc<DataPlane>, default_model: Predictor, named: Predictor) -> Routes {
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

/// All routes for operators only.
pub fn admin_router(plane: &Arc<DataPlane>, admin: &Arc<AdminPlane>) -> Routes {
    let routes = Router::new()
        .route("/livez", get(observe::livez))
        .route("/readyz", get(observe::readyz))
        .route("/metrics", get(observe::metrics))
        .with_state(plane.clone())
        .merge(admin::router(admin));
    surrounded(routes, plane)
}

fn surrounded(router: Router, plane: &Arc<DataPlane>) -> Routes {
    let router = router
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async |method: Method| {
            ApiError::Method(method.as_str().into())
        });
    Routes::new(router, plane.http_metrics.clone(), ApiError::write_problem)
}
