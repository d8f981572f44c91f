//! `/models`: which models are served, their labels, and their inputs.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DataPlane, error::ApiError};
use stillhouse_core::{
    registry::Model,
    rollout::{Role, Seat},
    version::warmup::BatchTiming,
};
use stillhouse_image::Transform;
use stillhouse_store::manifest::{Element, OutputKind};

/// One role of a model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RoleView {
    /// The role.
    pub role: Role,
    /// The version in that role.
    pub version: String,
    /// SHA-256 of the network's file.
    pub sha256: String,
    /// Engine, device and batch handling as text.
    pub engine: String,
    /// Pictures per batch at most.
    pub max_batch: usize,
    /// Engines side by side.
    pub workers: usize,
    /// What batches cost when the version was loaded.
    pub warmup: Vec<BatchTiming>,
}

/// One entry of the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelView {
    /// The name.
    pub model: String,
    /// Whether `/predict` uses this model.
    pub default: bool,
    /// Number of classes.
    pub classes: usize,
    /// The deployment's generation.
    pub generation: u64,
    /// The version in each role.
    pub roles: Vec<RoleView>,
}

/// The input of the stable version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InputView {
    /// Formats that can be read.
    pub formats: [&'static str; 3],
    /// How a picture becomes the network's input.
    pub transform: Transform,
    /// Element type of that input; with `u8`, nested numbers are whole numbers from 0 to 255.
    pub element: Element,
    /// The shape of nested numbers, which are passed to the network unchanged; `[height, width]` or a flat list also
    /// works.
    pub tensor_shape: Vec<usize>,
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Pictures per request at most.
    pub max_images: usize,
}

/// The output of the stable version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutputView {
    /// What the network's scores are: of `independent` and `independent-logits` any number of labels applies, of the
    /// others exactly one.
    pub kind: OutputKind,
    /// Of independent scores: from which probability on each label applies, in the order of the labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<f32>>,
}

/// All details of one model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelDetail {
    /// As in the list.
    #[serde(flatten)]
    pub model: ModelView,
    /// One name per class, in the order of their numbers.
    pub labels: Vec<String>,
    /// The input contract.
    pub input: InputView,
    /// What comes out.
    pub output: OutputView,
}

/// The list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// Sorted by name.
    pub models: Vec<ModelView>,
}

/// `GET /models`
#[utoipa::path(get, path = "/models", tag = "models", responses((status = 200, description = "What is served", body = ModelList)))]
pub(crate) async fn list(State(plane): State<Arc<DataPlane>>) -> Json<ModelList> {
    let models = plane.registry().iter().map(|model| view(&plane, model));
    Json(ModelList {
        models: models.collect(),
    })
}

/// `GET /models/{model}`
#[utoipa::path(get, path = "/models/{model}", tag = "models",
    params(("model" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "Labels and input contract", body = ModelDetail),
        (status = 404, description = "No such model", body = super::error::Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn one(
    State(plane): State<Arc<DataPlane>>,
    Path(name): Path<String>,
) -> Result<Json<ModelDetail>, ApiError> {
    let model = plane.serving.model(&name)?;
    let deployment = model.slot.load();
    let settings = plane.serving.settings();
    let transform = deployment.stable.version.manifest.transform.clone();
    Ok(Json(ModelDetail {
        model: view(&plane, model),
        labels: model.labels.to_vec(),
        input: InputView {
            formats: ["image/png", "image/jpeg", "image/webp"],
            tensor_shape: transform.tensor_shape(),
            transform,
            element: deployment.stable.version.manifest.input.element,
            max_body_bytes: settings.max_body_bytes,
            max_images: settings.max_images,
        },
        output: OutputView {
            kind: deployment.stable.version.manifest.output.kind,
            thresholds: deployment
                .stable
                .version
                .thresholds
                .as_deref()
                .map(<[f32]>::to_vec),
        },
    }))
}

fn view(plane: &DataPlane, model: &Model) -> ModelView {
    let deployment = model.slot.load();
    let is_default = |default: &Model| default.task.name == model.task.name;
    ModelView {
        model: model.task.name.to_string(),
        default: plane.registry().default_model().is_some_and(is_default),
        classes: model.labels.len(),
        generation: deployment.assignment.generation,
        roles: deployment.seats().map(|seat| role(seat)).collect(),
    }
}

/// Describes a seat.
pub(super) fn role(seat: &Seat) -> RoleView {
    let version = &seat.version;
    RoleView {
        role: seat.role,
        version: version.name.to_string(),
        sha256: version.manifest.file.sha256.clone(),
        engine: version.engine.clone(),
        max_batch: version.batching.policy.max_batch,
        workers: version.batching.workers,
        warmup: version.warmup.clone(),
    }
}
