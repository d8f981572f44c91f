//! The versions of a model: list, upload, load, delete.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::{AdminPlane, Caller, model, order, version, view::answer};
use crate::{
    control::{Listed, journal::Entry},
    http::{body::BodyError, error::ApiError, layers::RequestId},
};

/// Chunks of an upload that wait for the disk.
const CHUNKS_WAITING: usize = 16;

/// A client that sends nothing for so long has gone.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// The versions of a model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// The model.
    pub model: String,
    /// In natural order.
    pub versions: Vec<Listed>,
}

/// `GET /admin/models/{model}/versions`
#[utoipa::path(get, path = "/admin/models/{model}/versions", tag = "admin",
    params(("model" = String, Path, description = "The model's name")),
    responses((status = 200, description = "Every directory of the model", body = VersionList)))]
pub async fn list(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let versions = plane.control.versions(&model(&name)?).await?;
    let list = VersionList {
        model: name,
        versions,
    };
    Ok(answer(None, &list).into_response())
}

/// `POST /admin/models/{model}/versions/{version}/load`
#[utoipa::path(post, path = "/admin/models/{model}/versions/{version}/load", tag = "admin",
    params(("model" = String, Path, description = "The model's name"), ("version" = String, Path, description = "The version's name")),
    responses(
        (status = 200, description = "It is loaded, checked and warm", body = serde_json::Value),
        (status = 404, description = "No such version", body = crate::http::error::Problem, content_type = "application/problem+json"),
        (status = 422, description = "It can't be trusted", body = crate::http::error::Problem, content_type = "application/problem+json"),
    ))]
pub async fn load(
    State(plane): State<Arc<AdminPlane>>,
    Path((name, wanted)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (model, version) = (model(&name)?, version(&wanted)?);
    let control = plane.control.clone();
    // On a task of its own: a load that has begun ends well, whoever waits for it.
    let load = tokio::spawn(async move { control.load(&model, &version).await });
    let loaded = load.await.map_err(|_| ApiError::Panicked)??;
    let view = json!({
        "model": name,
        "version": wanted,
        "sha256": loaded.manifest.file.sha256,
        "engine": loaded.engine,
        "max_batch": loaded.batching.policy.max_batch,
        "workers": loaded.batching.workers,
        "warmup": loaded.warmup,
    });
    Ok(answer(None, &view).into_response())
}

/// `DELETE .../versions/{version}`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// For the audit log.
    #[serde(default)]
    reason: String,
}

/// `DELETE /admin/models/{model}/versions/{version}`
#[utoipa::path(delete, path = "/admin/models/{model}/versions/{version}", tag = "admin",
    params(("model" = String, Path, description = "The model's name"), ("version" = String, Path, description = "The version's name")),
    request_body = Remove,
    responses(
        (status = 204, description = "It is gone from memory and disk"),
        (status = 409, description = "It fills a role", body = crate::http::error::Problem, content_type = "application/problem+json"),
    ))]
pub async fn remove(
    State(plane): State<Arc<AdminPlane>>,
    Path((name, wanted)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<RequestId>,
    body: Body,
) -> Result<Response, ApiError> {
    let Remove { reason } = order(body).await?;
    let (model, version) = (model(&name)?, version(&wanted)?);
    let control = plane.control.clone();
    let removing = tokio::task::spawn_blocking(move || {
        control.delete(&model, &version, &caller.0, &reason, id.as_str())
    });
    removing.await.map_err(|_| ApiError::Panicked)??;
    Ok(StatusCode::NO_CONTENT.into_response())
}
