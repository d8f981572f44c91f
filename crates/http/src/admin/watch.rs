//! What is known of those who answer: evidence about a canary, and the last hour beside the teacher.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AdminPlane, model, view::answer};
use crate::error::ApiError;
use stillhouse_control::{EvidenceReport, PlanReport};
use stillhouse_core::{rollout::Role, shadow::report::RoleDrift};
use stillhouse_serving::PredictError;

/// The last hour of a model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DriftView {
    /// The model.
    pub model: String,
    /// The deployment's generation.
    pub generation: u64,
    /// With whom all are compared; without one there are only the predictions.
    pub teacher: Option<String>,
    /// Stable, and the canary if there is one.
    pub roles: Vec<RoleDrift>,
}

/// `GET /admin/models/{model}/evidence`
#[utoipa::path(get, path = "/admin/models/{model}/evidence", tag = "admin",
    params(("model" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "What is known of the canary, metric by metric, what the judge says of it and why; and the same of the last one", body = EvidenceReport),
        (status = 404, description = "No such model", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn evidence(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let report = plane.control.evidence(&model(&plane, &name)?)?;
    Ok(answer(Some(report.generation), &report).into_response())
}

/// `GET /admin/models/{model}/drift`
#[utoipa::path(get, path = "/admin/models/{model}/drift", tag = "admin",
    params(("model" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "The last hour of each role beside the teacher: values, intervals, noise, and what moved", body = DriftView),
        (status = 404, description = "No such model", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn drift(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let registry = plane.control.registry();
    let model = registry.find(&name).map_err(PredictError::from)?;
    let deployment = model.slot.load_full();
    let teacher = deployment.assignment.filling(Role::Teacher);
    let view = DriftView {
        model: name,
        generation: deployment.assignment.generation,
        teacher: teacher.map(ToString::to_string),
        roles: model.shadow.last_hour(&deployment),
    };
    Ok(answer(Some(view.generation), &view).into_response())
}

/// `GET /admin/models/{model}/plan`
#[utoipa::path(get, path = "/admin/models/{model}/plan", tag = "admin",
    params(("model" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "What an automatic canary is judged by, and how fast evidence comes at the present traffic", body = PlanReport),
        (status = 404, description = "No such model", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn plan(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let report = plane.control.plan(&model(&plane, &name)?)?;
    Ok(answer(Some(report.generation), &report).into_response())
}
