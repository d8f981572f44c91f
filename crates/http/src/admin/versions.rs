//! The versions of a model: list, upload, load, delete.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{AdminPlane, Caller, model, order, upload::Archive, version, view::answer};
use crate::{error::ApiError, request_id::RequestId};
use stillhouse_control::{ControlError, Listed};

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
pub(crate) async fn list(
    State(plane): State<Arc<AdminPlane>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let versions = plane.control.versions(&model(&plane, &name)?).await?;
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
        (status = 404, description = "No such version", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 422, description = "It can't be trusted", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn load(
    State(plane): State<Arc<AdminPlane>>,
    Path((name, wanted)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let (model, version) = (model(&plane, &name)?, version(&wanted)?);
    let control = plane.control.clone();
    // On a task of its own: a load that has begun is finished even if the client leaves.
    let load = tokio::spawn(async move { control.load(&model, &version).await });
    let loaded = load.await.map_err(|_| ApiError::PANICKED)??;
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

/// `PUT /admin/models/{model}/versions/{version}`
#[utoipa::path(put, path = "/admin/models/{model}/versions/{version}", tag = "admin",
    params(("model" = String, Path, description = "The model's name"), ("version" = String, Path, description = "The version's name")),
    request_body(content((Vec<u8> = "application/x-tar"), (Vec<u8> = "application/gzip"), (Vec<u8> = "application/zip")), description = "The version's directory as tar, tar.gz or zip"),
    responses(
        (status = 201, description = "It is in the repository, every sum verified; not yet loaded", body = serde_json::Value),
        (status = 409, description = "It exists", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The archive holds no version that can be trusted", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 503, description = "It could not be written down, nothing was changed; or too many uploads are running", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn upload(
    State(plane): State<Arc<AdminPlane>>,
    Path((name, wanted)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<RequestId>,
    body: Body,
) -> Result<Response, ApiError> {
    let (model, version) = (model(&plane, &name)?, version(&wanted)?);
    let control = plane.control.clone();
    let take_in = move |mut archive: Archive| -> Result<_, ApiError> {
        let mut incoming = control.receive(&model, &version)?;
        while let Some(chunk) = archive.next_chunk()? {
            incoming.write(&chunk).map_err(ControlError::from)?;
        }
        let unpacked = incoming.unpack().map_err(ControlError::from)?;
        Ok(control.accept(unpacked, &caller.0, id.as_str())?)
    };
    let files = plane.uploads.receive(body, take_in).await?;
    let view = json!({
        "model": name,
        "version": wanted,
        "sha256": files.manifest.file.sha256,
        "size_bytes": files.manifest.file.size_bytes,
        "golden_samples": files.golden.len(),
    });
    Ok((StatusCode::CREATED, answer(None, &view)).into_response())
}

/// `DELETE .../versions/{version}`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remove {
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
        (status = 409, description = "It fills a role", body = crate::error::Problem, content_type = "application/problem+json"),
        (status = 503, description = "`journal_unwritable`: it could not be written down; nothing was changed. `repository_unusable`: the directory could not be removed", body = crate::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn remove(
    State(plane): State<Arc<AdminPlane>>,
    Path((name, wanted)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    Extension(id): Extension<RequestId>,
    body: Body,
) -> Result<Response, ApiError> {
    let Remove { reason } = order(body).await?;
    let reason = super::reason(reason)?;
    let (model, version) = (model(&plane, &name)?, version(&wanted)?);
    let control = plane.control.clone();
    let removing = tokio::task::spawn_blocking(move || {
        control.delete(&model, &version, &caller.0, &reason, id.as_str())
    });
    removing.await.map_err(|_| ApiError::PANICKED)??;
    Ok(StatusCode::NO_CONTENT.into_response())
}
