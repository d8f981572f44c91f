//! What operators see: deployments and their history.

use std::sync::Arc;

use axum::{
    extract::{Path, Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AdminError, AdminPlane, idempotency::StoredResponse, model};
use crate::{describe, error::ApiError};
use stillhouse_control::{ControlPlane, journal::Line};
use stillhouse_core::{
    registry::Model,
    rollout::{Assignment, Role, Share},
};
use stillhouse_serving::PredictError;

/// Lines of history by default.
const HISTORY: usize = 20;

/// A role with its share of the traffic.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SeatView {
    /// Version, engine, batches.
    #[serde(flatten)]
    pub seat: describe::RoleView,
    /// Its share in basis points.
    #[schema(value_type = u16)]
    pub share: Share,
    /// Requests that the split gave to it in this generation, repeated keys counted once.
    pub drawn: u64,
}

/// Who answers for a model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeploymentView {
    /// The model.
    pub model: String,
    /// Generation, names, split.
    #[serde(flatten)]
    pub assignment: Assignment,
    /// Every filled role.
    pub seats: Vec<SeatView>,
    /// ln of the evidence that the roles don't get their shares; alarm above 6.9.
    pub sample_ratio_log_e: Option<f64>,
    /// Threads in a run that doesn't end and can't be stopped, also of versions that are gone; a restart ends them.
    #[serde(default)]
    pub stuck_threads: Vec<StuckThread>,
}

/// A thread that is in a run of a network that doesn't end.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StuckThread {
    /// The version.
    pub version: String,
    /// What for: `load`, `worker` or `shadow`.
    pub work: String,
    /// For how long it has been stuck.
    pub seconds: u64,
}

impl DeploymentView {
    pub(super) fn of(control: &ControlPlane, model: &Model) -> Self {
        let deployment = model.slot.load();
        let seat = |role: Role| {
            Some(SeatView {
                seat: describe::role(deployment.seat(role)?),
                share: deployment.assignment.split.of(role),
                drawn: deployment.drawn(role),
            })
        };
        Self {
            model: model.task.name.to_string(),
            assignment: deployment.assignment.clone(),
            seats: Role::ALL.into_iter().filter_map(seat).collect(),
            // Infinite where a role without a share got requests: JSON has no word for that.
            sample_ratio_log_e: Some(deployment.sample_ratio_log_e())
                .filter(|log_e| log_e.is_finite()),
            stuck_threads: control
                .watchdog()
                .stuck()
                .into_iter()
                .filter(|stuck| stuck.model == model.task.name.as_str())
                .map(|stuck| StuckThread {
                    version: stuck.version,
                    work: stuck.work.as_str().into(),
                    seconds: stuck.seconds,
                })
                .collect(),
        }
    }
}

/// JSON with the generation as ETag.
pub(super) fn answer(generation: Option<u64>, body: &impl Serialize) -> StoredResponse {
    let body = serde_json::to_vec(body).expect("plain values");
    StoredResponse {
        generation,
        body: body.into(),
    }
}

/// All deployments.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeploymentList {
    /// By name.
    pub models: Vec<DeploymentView>,
}

/// `GET /admin/models`
#[utoipa::path(get, path = "/admin/models", tag = "admin", responses((status = 200, description = "Who answers for every model", body = DeploymentList)))]
pub(crate) async fn list(State(plane): State<Arc<AdminPlane>>) -> Response {
    let models = plane
        .control
        .registry()
        .iter()
        .map(|model| DeploymentView::of(&plane.control, model))
        .collect();
    answer(None, &DeploymentList { models }).into_response()
}

/// `GET /admin/models/{model}`
#[utoipa::path(get, path = "/admin/models/{model}", tag = "admin",
    params(("model" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "Who answers; the ETag is the generation", body = DeploymentView),
        (status = 404, description = "No such model", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn one(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let model = plane
        .control
        .registry()
        .find(&name)
        .map_err(PredictError::from)?;
    let view = DeploymentView::of(&plane.control, model);
    Ok(answer(Some(view.assignment.generation), &view).into_response())
}

/// How much history.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryQuery {
    limit: Option<usize>,
}

/// Who changed what.
#[derive(Debug, Serialize, Deserialize)]
pub struct HistoryView {
    /// The model.
    pub model: String,
    /// Newest first.
    pub entries: Vec<Line>,
    /// Lines of the log that can't be read: see `stillhouse audit verify`.
    pub unreadable: u64,
}

/// `GET /admin/models/{model}/history`
#[utoipa::path(get, path = "/admin/models/{model}/history", tag = "admin",
    params(
        ("model" = String, Path, description = "The model's name"),
        ("limit" = Option<usize>, Query, description = "Entries at most; 20 by default"),
    ),
    responses((status = 200, description = "Who changed what, newest first, as in the audit log", body = serde_json::Value)))]
pub(crate) async fn history(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| AdminError::Query(error.body_text().into()))?;
    let model = model(&plane, &name)?;
    plane.control.assignment(&model)?;
    let limit = query.limit.unwrap_or(HISTORY).min(1000);
    let control = plane.control.clone();
    let found = tokio::task::spawn_blocking(move || control.history(Some(&model), limit))
        .await
        .map_err(|_| ApiError::PANICKED)??;
    let history = HistoryView {
        model: name,
        entries: found.lines,
        unreadable: found.unreadable,
    };
    Ok(answer(None, &history).into_response())
}
