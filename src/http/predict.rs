//! Bytes → pictures → prediction.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, header},
    response::Response,
};
use bytes::Bytes;

use super::{
    DataPlane,
    answer::{Multiple, Single},
    body::{self, Encoding},
    error::ApiError,
    layers::{self, RequestId},
    question::Question,
    request::{self, PredictQuery, Subjects},
    route,
};
use crate::{registry::Model, rollout::Role};

/// JSON beyond this size is parsed off the async threads.
const INLINE_JSON_BYTES: usize = 256 * 1024;

/// `POST /predict`
#[utoipa::path(
    post, path = "/predict", tag = "predict", params(PredictQuery),
    request_body(content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"), (serde_json::Value = "application/json"), (Vec<u8> = "multipart/form-data")),
        description = "A picture's bytes; or multipart/form-data with one picture a part; or {\"instances\": [{\"b64\": \"...\"} or nested numbers]}."),
    responses(
        (status = 200, description = "The prediction; for several pictures, `results` in their order", body = Single<'static>),
        (status = 400, description = "The request can't be followed", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too many bytes or pixels", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 415, description = "No picture format that is read here", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The picture is corrupt", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue is full; see Retry-After", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 504, description = "The deadline passed", body = super::error::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn default_model(
    State(plane): State<Arc<DataPlane>>,
    request: Request,
) -> Result<Response, ApiError> {
    let model = plane
        .registry
        .default_model()
        .ok_or(ApiError::NoDefaultModel)?;
    predict(&plane, model, request).await
}

/// `POST /models/{model}/predict`
#[utoipa::path(
    post, path = "/models/{model}/predict", tag = "predict",
    params(("model" = String, Path, description = "The model's name"), PredictQuery),
    request_body(content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"), (serde_json::Value = "application/json"), (Vec<u8> = "multipart/form-data")),
        description = "As for /predict."),
    responses(
        (status = 200, description = "The prediction; for several pictures, `results` in their order", body = Multiple<'static>),
        (status = "default", description = "As for /predict; 404 for an unknown model", body = super::error::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn named_model(
    State(plane): State<Arc<DataPlane>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let model = plane.registry.get(&name).ok_or(ApiError::UnknownModel)?;
    predict(&plane, model, request).await
}

/// Takes the request apart by itself: extractors would copy each header.
async fn predict(plane: &DataPlane, model: &Model, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let (id, headers) = (RequestId::given(&head.extensions), &head.headers);
    let top_k = PredictQuery::of(&head.uri)?.top_k(model.labels.len())?;
    let deadline = layers::deadline(headers, plane.settings.deadline())?;
    let bytes = read_body(plane, headers, body).await?;
    let subjects = subjects(plane, headers, bytes).await?;

    let deployment = model.slot.load_full();
    let route = route::choose(&deployment, model, headers, id)?;
    let question = Question {
        plane,
        model,
        deployment: &deployment,
        caller: route.key,
        pinned: route.pinned,
        id,
        deadline,
        top_k,
    };
    // A version on trial may fail at its own cost, not at the caller's.
    if route.seat.role != Role::Stable && !route.pinned {
        let trial = question.within(model.routing.fallback_after_ms);
        if let Some(answer) = trial.on_trial(route.seat, &subjects).await {
            return answer;
        }
        return question
            .ask(&deployment.stable, subjects, Some(route.seat.role))
            .await;
    }
    question.ask(route.seat, subjects, None).await
}

/// The body within its limits, its encoding undone.
pub async fn read_body(
    plane: &DataPlane,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, ApiError> {
    let settings = &plane.settings;
    let encoding = Encoding::parse(
        headers
            .get(header::CONTENT_ENCODING)
            .map(|value| value.as_bytes()),
    )?;
    let limit = settings.max_body_bytes;
    let time = Duration::from_secs(settings.body_timeout_seconds);
    let bytes = body::read(body, limit, time).await?;
    Ok(match encoding {
        Encoding::Identity => bytes,
        packed => {
            plane
                .off_thread(move || packed.undo(bytes, limit))
                .await??
        }
    })
}

async fn subjects(
    plane: &DataPlane,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Subjects, ApiError> {
    let limit = plane.settings.max_images;
    if bytes.len() > INLINE_JSON_BYTES && request::looks_like_json(headers, &bytes) {
        return Ok(plane
            .off_thread(move || request::json(&bytes, limit))
            .await??);
    }
    Ok(request::subjects(headers, bytes, limit).await?)
}
