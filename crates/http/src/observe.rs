//! `/livez`, `/readyz`, `/metrics`.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::DataPlane;

/// `GET /livez`: the process answers.
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, description = "The process answers", body = String, content_type = "text/plain")))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether to send traffic here, or not (yet, or any more).
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "Send traffic", body = String, content_type = "text/plain"),
    (status = 503, description = "Starting or draining", body = String, content_type = "text/plain"),
))]
pub(crate) async fn readyz(State(plane): State<Arc<DataPlane>>) -> impl IntoResponse {
    if plane.ready.load(Ordering::Acquire) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

/// `GET /metrics` on the admin listener, in Prometheus's text format.
pub(crate) async fn metrics(State(plane): State<Arc<DataPlane>>) -> impl IntoResponse {
    for model in plane.registry().iter() {
        plane.traffic.refresh(&model.task.name, &model.slot.load());
    }
    plane.serving.refresh_metrics();
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        plane.metrics.render(),
    )
}
