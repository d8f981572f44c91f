//! `POST /predict`: an HTTP request translated for [`serving`](stillhouse_serving), and its prediction translated back.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::Response,
};
use bytes::Bytes;

use super::{
    DataPlane,
    answer::{Classified, Item, Multiple, Origin, Single, respond},
    body, caller,
    error::ApiError,
    listener::connection::Connection,
    request::{self, Content, Inputs, PredictQuery},
    request_error::RequestError,
    request_id::RequestId,
};
use stillhouse_core::registry::Model;
use stillhouse_serving::{
    Account, Admitted, BodyError, Caller, Charge, Intake, Options, PredictError, PredictInput,
    Prediction, Row, body::Encoding,
};

/// JSON beyond this size is parsed off the async threads.
const INLINE_JSON_BYTES: usize = 256 * 1024;

/// `POST /predict`
#[utoipa::path(
    post, path = "/predict", tag = "predict", params(PredictQuery),
    request_body(content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/webp"), (serde_json::Value = "application/json"), (Vec<u8> = "multipart/form-data")),
        description = "A picture's bytes; or multipart/form-data with pictures as files; or {\"instances\": [{\"b64\": \"...\"} or nested numbers]}."),
    responses(
        (status = 200, description = "The prediction; for several pictures, `results` in their order", body = Single<'static>),
        (status = 400, description = "The request is invalid", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too many bytes or pixels", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 415, description = "The picture format is not supported", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 422, description = "The picture is corrupt", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 503, description = "The queue is full, or too many bytes are in flight; see Retry-After", body = super::error::Problem, content_type = "application/problem+json"),
        (status = 504, description = "The deadline passed", body = super::error::Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn default_model(
    State(plane): State<Arc<DataPlane>>,
    request: Request,
) -> Result<Response, ApiError> {
    predict(&plane, plane.serving.default_model()?, request).await
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
pub(crate) async fn named_model(
    State(plane): State<Arc<DataPlane>>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    predict(&plane, plane.serving.model(&name)?, request).await
}

/// Takes the request apart itself: extractors would copy each header.
async fn predict(plane: &DataPlane, model: &Model, request: Request) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let (id, headers) = (RequestId::given(&head.extensions), &head.headers);
    let query = PredictQuery::of(&head.uri)?;
    let top_k = query.top_k(model.labels.len())?;
    let caller = Caller {
        request_id: id.as_str(),
        key: caller::key(&model.routing, headers),
        role: caller::role(headers)?,
    };
    let mut admitted =
        plane
            .serving
            .admit(model, caller, account(&head), &options(&head, &body)?)?;
    let bytes = read_body(plane, &mut admitted.intake, headers, body).await?;
    let content = inputs(plane, &mut admitted.intake, headers, bytes).await?;
    let top_k = match (query.top_k, content.top_k) {
        (None, Some(_)) => PredictQuery {
            top_k: content.top_k,
        }
        .top_k(model.labels.len())?,
        _ => top_k,
    };
    match content.inputs {
        Inputs::One(input) => {
            let mut predicted = admitted.predict(vec![input]).await?;
            let row = predicted.rows.pop().expect("a row for each input")?;
            let timings = row.timings.into();
            let answer = Single {
                origin: Origin::new(id.as_str(), &predicted),
                classified: classified(&predicted, &row.probabilities, model, top_k),
                timings,
            };
            Ok(respond(&answer, StatusCode::OK, Some(&timings)))
        }
        Inputs::Many(inputs) => many(plane, model, admitted, inputs, id, top_k).await,
    }
}

/// The account of the request's connection.
pub(crate) fn account(head: &Parts) -> &Account {
    let connection = head.extensions.get::<Arc<Connection>>();
    connection.expect("every request has one").account()
}

/// The options of the answer, from the request's head.
///
/// # Errors
/// The deadline is not a number.
pub(crate) fn options(head: &Parts, body: &Body) -> Result<Options, RequestError> {
    Ok(Options {
        received: Instant::now(),
        timeout: caller::timeout(&head.headers)?,
        announced_bytes: body::announced_bytes(body),
    })
}

/// Reads the body within its limits and decompresses it.
///
/// # Errors
/// The body is too long, too slow, broken, in an unknown encoding, or over the shared budget.
pub(crate) async fn read_body(
    plane: &DataPlane,
    intake: &mut Intake<'_>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, ApiError> {
    let settings = plane.serving.settings();
    let encoding = headers.get(header::CONTENT_ENCODING);
    let encoding = Encoding::parse(encoding.map(|value| value.as_bytes()))?;
    let (until, passed) = intake.deadline();
    let left = until.saturating_duration_since(Instant::now());
    let time = settings.body_timeout().min(left);
    let read = body::read(body, settings.max_body_bytes, time, intake.charge()).await;
    let bytes = read.map_err(|error| match error {
        PredictError::Body(BodyError::Slow { .. }) if time == left => passed,
        error => error,
    })?;
    Ok(intake.decompress(encoding, bytes).await?)
}

async fn inputs(
    plane: &DataPlane,
    intake: &mut Intake<'_>,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Content, ApiError> {
    let limit = plane.serving.settings().max_images;
    if bytes.len() > INLINE_JSON_BYTES && request::looks_like_json(headers, &bytes) {
        let read = move |charge: &mut Charge| request::json(&bytes, limit, charge);
        return Ok(intake.run(read).await??.into());
    }
    request::inputs(headers, bytes, limit, intake.charge())
}

/// The classes of one answer, by the thresholds of the version that gave it.
fn classified<'a>(
    predicted: &Prediction,
    probabilities: &[f32],
    model: &'a Model,
    top_k: usize,
) -> Classified<'a> {
    let thresholds = predicted.version().thresholds.as_deref();
    Classified::new(probabilities, &model.labels, thresholds, top_k)
}

/// Several inputs: each has its own answer or error, in the order of the request.
async fn many(
    plane: &DataPlane,
    model: &Model,
    admitted: Admitted<'_>,
    inputs: Vec<Result<PredictInput, RequestError>>,
    id: &RequestId,
    top_k: usize,
) -> Result<Response, ApiError> {
    let mut readable = Vec::with_capacity(inputs.len());
    let errors: Vec<Option<RequestError>> = inputs
        .into_iter()
        .map(|input| input.map(|input| readable.push(input)).err())
        .collect();
    let mut predicted = admitted.predict(readable).await?;
    let mut rows = std::mem::take(&mut predicted.rows).into_iter();
    let mut status = None;
    let item = |error: Option<RequestError>| {
        let row = match error {
            Some(error) => Err(ApiError::from(error)),
            None => rows
                .next()
                .expect("a row for each input")
                .map_err(ApiError::from),
        };
        // If nothing could be answered, load balancers and clients that read only the status must see it.
        let own = row
            .as_ref()
            .map_or_else(|error| error.row().status, |_| StatusCode::OK);
        status = match status {
            Some(first) if own != StatusCode::OK => Some(first),
            _ => Some(own),
        };
        match row {
            Ok(Row {
                probabilities,
                timings,
            }) => Item::Answered {
                classified: classified(&predicted, &probabilities, model, top_k),
                timings: timings.into(),
            },
            Err(error) => {
                plane.http_metrics.refused(error.row().code);
                error.log(id);
                let error = error.problem(id.as_str());
                Item::Refused { error }
            }
        }
    };
    let results = errors.into_iter().map(item).collect();
    let origin = Origin::new(id.as_str(), &predicted);
    let answer = Multiple { origin, results };
    Ok(respond(&answer, status.unwrap_or(StatusCode::OK), None))
}
