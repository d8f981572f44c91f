//! Bytes → pictures → prediction.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use bytes::Bytes;

use super::{
    DataPlane,
    answer::{Item, Multiple, Origin, Single, Timings, respond, top},
    body::{self, Encoding},
    error::ApiError,
    layers::{self, RequestId},
    request::{self, PredictQuery, RequestError, Subject, Subjects},
};
use crate::{
    image::{self, Input, Pixels},
    registry::Model,
    rollout::{Deployment, Outcome, Seat},
    version::Version,
};

/// Pictures of at most this many pixels are decoded where the request is: 256 × 256 takes less time than a hand-over.
const INLINE_PIXELS: u64 = 256 * 256;

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
    Extension(id): Extension<RequestId>,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let model = plane
        .registry
        .default_model()
        .ok_or(ApiError::NoDefaultModel)?;
    predict(&plane, model, &id, query, &headers, body).await
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
    Extension(id): Extension<RequestId>,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let model = plane.registry.get(&name).ok_or(ApiError::UnknownModel)?;
    predict(&plane, model, &id, query, &headers, body).await
}

async fn predict(
    plane: &DataPlane,
    model: &Model,
    id: &RequestId,
    query: Result<Query<PredictQuery>, QueryRejection>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| RequestError::Query(error.body_text()))?;
    let top_k = query.top_k(model.labels.len())?;
    let deadline = layers::deadline(headers, plane.settings.deadline())?;
    let bytes = read_body(plane, headers, body).await?;
    let subjects = subjects(plane, headers, bytes).await?;

    let deployment = model.slot.load_full();
    let question = Question {
        plane,
        model,
        deployment: &deployment,
        deadline,
        top_k,
    };
    match subjects {
        Subjects::One(subject) => question.one(id, subject).await,
        Subjects::Many(subjects) => question.many(id, subjects).await,
    }
}

async fn read_body(plane: &DataPlane, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
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

/// What stays the same for every picture of a request.
struct Question<'a> {
    plane: &'a DataPlane,
    model: &'a Model,
    deployment: &'a Deployment,
    deadline: Instant,
    top_k: usize,
}

impl<'a> Question<'a> {
    fn origin(&self, id: &'a RequestId, seat: &'a Seat) -> Origin<'a> {
        Origin {
            request_id: id.as_str(),
            model: &self.model.name,
            version: &seat.version.name,
            role: seat.role,
            generation: self.deployment.generation,
        }
    }

    async fn one(&self, id: &RequestId, subject: Subject) -> Result<Response, ApiError> {
        let seat = self.deployment.route();
        let attempt = seat.attempt();
        match self.answer(seat, subject).await {
            Ok((predictions, timings)) => {
                let answer = Single {
                    origin: self.origin(id, seat),
                    predictions,
                    timings,
                };
                let response = respond(&answer, StatusCode::OK, Some(&timings));
                attempt.end(Outcome::Ok);
                Ok(response)
            }
            Err(error) => {
                attempt.end(error.outcome());
                Err(error)
            }
        }
    }

    /// All are submitted before the first is awaited, so that they can share a batch.
    async fn many(
        &self,
        id: &RequestId,
        subjects: Vec<Result<Subject, request::Base64Error>>,
    ) -> Result<Response, ApiError> {
        let seat = self.deployment.route();
        let answers = subjects
            .into_iter()
            .enumerate()
            .map(|(index, subject)| async move {
                let attempt = seat.attempt();
                let answer = match subject {
                    Ok(subject) => self.answer(seat, subject).await,
                    Err(request::Base64Error) => Err(RequestError::Base64 { index }.into()),
                };
                attempt.end(
                    answer
                        .as_ref()
                        .map_or_else(ApiError::outcome, |_| Outcome::Ok),
                );
                answer
            });
        let answers = futures_util::future::join_all(answers).await;
        // Where nothing could be answered, balancers and clients that read only the status must see it.
        let status = match answers.iter().find(|answer| answer.is_ok()) {
            Some(_) => StatusCode::OK,
            None => answers
                .iter()
                .find_map(|answer| answer.as_ref().err().map(|error| error.row().0))
                .unwrap_or(StatusCode::OK),
        };
        let item = |answer: Result<_, ApiError>| match answer {
            Ok((predictions, timings)) => Item::Answered {
                predictions,
                timings,
            },
            Err(error) => {
                self.plane.http_metrics.refused(error.row().1);
                error.log(id);
                Item::Refused {
                    error: error.problem(id.as_str()),
                }
            }
        };
        let answer = Multiple {
            origin: self.origin(id, seat),
            results: answers.into_iter().map(item).collect(),
        };
        Ok(respond(&answer, status, None))
    }

    async fn answer(
        &self,
        seat: &Seat,
        subject: Subject,
    ) -> Result<(Vec<super::answer::Prediction<'a>>, Timings), ApiError> {
        let version = &seat.version;
        let started = Instant::now();
        let input = self.input(version, subject).await?;
        let decode = started.elapsed();
        self.plane.decode_duration.observe(decode.as_secs_f64());

        let reply = version.submit(input, Some(self.deadline))?;
        let answer = match tokio::time::timeout_at(self.deadline.into(), reply).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(ApiError::Lost),
            Err(_) => return Err(crate::batch::BatchError::Expired.into()),
        };
        let probabilities = version
            .probabilities(&answer.scores)
            .ok_or(ApiError::NonFinite)?;
        let predictions = top(&probabilities, &self.model.labels, self.top_k);
        Ok((predictions, Timings::new(decode, &answer)))
    }

    async fn input(&self, version: &Arc<Version>, subject: Subject) -> Result<Input, ApiError> {
        let bytes = match subject {
            Subject::Picture(bytes) => bytes,
            Subject::Numbers { shape, values } => {
                return numbers(version, &shape, values);
            }
        };
        // Decoding for a queue that is full would be work for nothing.
        version.admit()?;
        let limits = self.plane.limits.clone();
        let header = image::probe(&bytes)?;
        let pixels = if header.pixels() <= INLINE_PIXELS {
            decode(&bytes, &limits, version)?
        } else {
            let version = version.clone();
            self.plane
                .off_thread(move || decode(&bytes, &limits, &version))
                .await??
        };
        Ok(Input::Pixels {
            pixels,
            normalization: version.normalization().clone(),
        })
    }
}

fn decode(
    bytes: &[u8],
    limits: &image::Limits,
    version: &Version,
) -> Result<Pixels, image::ImageError> {
    let transform = &version.manifest.transform;
    Ok(transform.apply(image::decode(bytes, limits, transform)?))
}

/// Numbers are the tensor as the network reads it, normalised by the client; flat or in the network's own shape.
fn numbers(version: &Version, shape: &[usize], values: Vec<f32>) -> Result<Input, ApiError> {
    let expected = version.manifest.transform.tensor_shape();
    let flat = [expected.iter().product::<usize>()];
    // One channel may be left out: [height, width] is how a gray picture is usually written.
    let squeezed: Vec<usize> = expected.iter().copied().filter(|&size| size != 1).collect();
    if shape != expected && shape != flat && shape != squeezed {
        return Err(RequestError::Shape {
            given: format!("{shape:?}"),
            expected: format!("{expected:?} or {flat:?}"),
        }
        .into());
    }
    Ok(Input::numbers(values, flat[0])?)
}
