//! One request's pictures put to one version, and its answers told.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{http::StatusCode, response::Response};

use super::{
    DataPlane,
    answer::{Item, Multiple, Origin, Prediction, Single, Timings, respond, top},
    error::ApiError,
    layers::RequestId,
    request::{self, RequestError, Subject, Subjects},
};
use crate::{
    image::{self, Input, Pixels},
    registry::Model,
    rollout::{Deployment, Outcome, Role, Seat, Source, split},
    shadow::{Encoded, Sample},
    version::Version,
};

/// Pictures of at most this many pixels are decoded where the request is. A hand-over costs 54 µs of processor time, a PNG of
/// 256 × 256 some 120; beyond, one picture would keep everybody else on this thread waiting for too long.
const INLINE_PIXELS: u64 = 256 * 256;

/// What stays the same for every picture of a request.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// Limits and metrics.
    pub plane: &'a DataPlane,
    /// Whose labels the answer has.
    pub model: &'a Model,
    /// Everything that the request is told comes from this one.
    pub deployment: &'a Arc<Deployment>,
    /// By what the caller is told apart, where it is.
    pub caller: Option<&'a [u8]>,
    /// Whether the caller chose the role.
    pub pinned: bool,
    /// Of the request.
    pub id: &'a RequestId,
    /// By which there must be an answer.
    pub deadline: Instant,
    /// How many classes to name.
    pub top_k: usize,
}

type Answered<'a> = Result<(Vec<Prediction<'a>>, Timings), ApiError>;

impl<'a> Question<'a> {
    /// The same with less time: half of what is left at most, so that stable has the other half.
    pub fn within(self, milliseconds: u64) -> Self {
        let now = Instant::now();
        let half = self.deadline.saturating_duration_since(now) / 2;
        Self {
            deadline: now + half.min(Duration::from_millis(milliseconds)),
            ..self
        }
    }

    /// Asks a version that isn't stable. `None`: it is to blame for having no answer, and stable must be asked.
    pub async fn on_trial(
        self,
        seat: &'a Seat,
        subjects: &Subjects,
    ) -> Option<Result<Response, ApiError>> {
        if !seat.is_worth_asking(Instant::now()) {
            return None;
        }
        let answers = self.answers(seat, subjects.clone()).await;
        let mut errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        let fault = errors.find(|error| error.outcome().is_versions_fault());
        if let Some(error) = fault {
            seat.fell_back(error.outcome().as_str());
            error.log(self.id);
            return None;
        }
        Some(self.respond(seat, subjects.are_many(), answers, None))
    }

    /// Asks a version whose answer, or failure, is the caller's.
    ///
    /// # Errors
    /// A single picture's; of many, each carries its own in the answer.
    pub async fn ask(
        self,
        seat: &'a Seat,
        subjects: Subjects,
        instead_of: Option<Role>,
    ) -> Result<Response, ApiError> {
        let many = subjects.are_many();
        let answers = self.answers(seat, subjects).await;
        self.respond(seat, many, answers, instead_of)
    }

    /// All are submitted before the first is awaited, so that they can share a batch.
    async fn answers(self, seat: &'a Seat, subjects: Subjects) -> Vec<Answered<'a>> {
        let one = async |index, subject| {
            let attempt = seat.attempt(self.pinned);
            let answer = match subject {
                Ok(subject) => self.answer(seat, index, subject).await,
                Err(request::Base64Error) => Err(RequestError::Base64 { index }.into()),
            };
            let outcome = answer
                .as_ref()
                .map_or_else(ApiError::outcome, |_| Outcome::Ok);
            attempt.end(outcome);
            answer
        };
        match subjects {
            Subjects::One(subject) => vec![one(0, Ok(subject)).await],
            Subjects::Many(subjects) => {
                let answers = subjects.into_iter().enumerate();
                futures_util::future::join_all(answers.map(|(index, subject)| one(index, subject)))
                    .await
            }
        }
    }

    fn respond(
        self,
        seat: &'a Seat,
        many: bool,
        mut answers: Vec<Answered<'a>>,
        instead_of: Option<Role>,
    ) -> Result<Response, ApiError> {
        let origin = Origin {
            request_id: self.id.as_str(),
            model: &self.model.task.name,
            version: &seat.version.name,
            role: seat.role,
            generation: self.deployment.assignment.generation,
            instead_of,
        };
        if !many && let Some(answer) = answers.pop() {
            let (predictions, timings) = answer?;
            let answer = Single {
                origin,
                predictions,
                timings,
            };
            return Ok(respond(&answer, StatusCode::OK, Some(&timings)));
        }
        // Where nothing could be answered, balancers and clients that read only the status must see it.
        let status = match answers.iter().find(|answer| answer.is_ok()) {
            Some(_) => StatusCode::OK,
            None => answers
                .iter()
                .find_map(|answer| answer.as_ref().err().map(|error| error.row().0))
                .unwrap_or(StatusCode::OK),
        };
        let item = |answer: Answered<'a>| match answer {
            Ok((predictions, timings)) => Item::Answered {
                predictions,
                timings,
            },
            Err(error) => {
                self.plane.http_metrics.refused(error.row().1);
                error.log(self.id);
                Item::Refused {
                    error: error.problem(self.id.as_str()),
                }
            }
        };
        let answer = Multiple {
            origin,
            results: answers.into_iter().map(item).collect(),
        };
        Ok(respond(&answer, status, None))
    }

    async fn answer(self, seat: &Seat, index: usize, subject: Subject) -> Answered<'a> {
        let version = &seat.version;
        let started = Instant::now();
        let watched = self.is_watched(index);
        let encoded = watched.then(|| subject.encoded()).flatten();
        // Decoding for a queue that is full would be work for nothing.
        let place = version.admit()?;
        let (input, full_size) = self.input(version, subject).await?;
        // The queue takes the input: who wants to compare it later keeps a copy, a picture in ten by default.
        let kept = watched.then(|| input.clone());
        let decode = started.elapsed();
        self.plane.decode_duration.observe(decode.as_secs_f64());

        let reply = place.submit(input, Some(self.deadline))?;
        let answer = match tokio::time::timeout_at(self.deadline.into(), reply).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(ApiError::Lost),
            Err(_) => return Err(crate::batch::BatchError::Expired.into()),
        };
        let Some(probabilities) = version.probabilities(&answer.scores) else {
            seat.not_finite(Source::Live);
            return Err(ApiError::NonFinite);
        };
        let predictions = top(&probabilities, &self.model.labels, self.top_k);
        if let Some(first) = predictions.first() {
            seat.answered(first.class, &probabilities);
        }
        let timings = Timings::new(decode, &answer);
        if let Some(input) = kept {
            let encoded = encoded.map(|bytes| Encoded { bytes, full_size });
            self.watch(seat.role, answer.scores, input, encoded);
        }
        Ok((predictions, timings))
    }

    /// Whether this picture was drawn to be compared. Of a role that the caller chose nothing is: it isn't the traffic's.
    fn is_watched(&self, index: usize) -> bool {
        let id = self.id.as_str().as_bytes();
        !self.pinned && self.model.shadow.wants(self.deployment, id, index)
    }

    fn watch(&self, role: Role, scores: Box<[f32]>, input: Input, encoded: Option<Encoded>) {
        let split = |key| split::draw(&self.model.task.name, 0, key);
        self.model.shadow.offer(Sample {
            deployment: self.deployment.clone(),
            role,
            scores,
            input,
            encoded,
            caller: self.caller.map(split),
        });
    }

    /// The network's input, and how large the picture was.
    async fn input(
        &self,
        version: &Arc<Version>,
        subject: Subject,
    ) -> Result<(Input, (u32, u32)), ApiError> {
        let bytes = match subject {
            Subject::Picture(bytes) => bytes,
            Subject::Numbers { shape, values } => {
                return Ok((numbers(version, &shape, values)?, (0, 0)));
            }
        };
        let limits = self.plane.limits.clone();
        let header = image::probe(&bytes)?;
        let (pixels, full_size) = if header.pixels() <= INLINE_PIXELS {
            decode(&bytes, &limits, version)?
        } else {
            let version = version.clone();
            self.plane
                .off_thread(move || decode(&bytes, &limits, &version))
                .await??
        };
        let input = Input::Pixels {
            pixels,
            normalization: version.normalization().clone(),
        };
        Ok((input, full_size))
    }
}

fn decode(
    bytes: &[u8],
    limits: &image::Limits,
    version: &Version,
) -> Result<(Pixels, (u32, u32)), image::ImageError> {
    let transform = &version.manifest.transform;
    let picture = image::decode(bytes, limits, transform)?;
    let full_size = picture.full_size();
    Ok((transform.apply(picture), full_size))
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
