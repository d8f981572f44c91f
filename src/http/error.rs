//! The one table: domain error → status, code, words. Bodies are RFC 9457 problem details.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{admin::AdminError, body::BodyError, layers::RequestId, request::RequestError};
use crate::{
    batch::{BatchError, Refusal},
    control::{ControlError, LoadError},
    image::ImageError,
    rollout::{Assignment, ChangeRefused, Outcome, Role},
    store::StoreError,
};

/// Seconds after which a refused client may try again: a full queue of any network that can be served at all is empty
/// by then.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Everything that can keep a request from its answer.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The path leads nowhere.
    #[error("there is nothing at this path; GET /docs lists what there is")]
    NoRoute,
    /// The path exists, the method doesn't.
    #[error("this path does not take {0}; see the Allow header")]
    Method(String),
    /// No model of this name.
    #[error("there is no model of this name; GET /models lists them")]
    UnknownModel,
    /// `/predict` without a default model.
    #[error("no default model is configured; POST to /models/{{model}}/predict")]
    NoDefaultModel,
    /// No role of this name.
    #[error("the header x-stillhouse-role must be teacher, stable or canary")]
    UnknownRole,
    /// Nobody fills the role.
    #[error("no version fills the role {0} now; GET /models/{{model}} lists who fills which")]
    RoleNotFilled(Role),
    /// Callers don't choose here.
    #[error("this server does not let callers choose a role; routing.role_header = true would")]
    RoleNotAllowed,
    /// An operator isn't let in, or sent what can't be read.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// An order was not carried out.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body or query says something that can't be followed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The picture can't be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The queue said no.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// The batch said no.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The network answered NaN or infinity.
    #[error("the network's answer to this picture is not a finite number")]
    NonFinite,
    /// The worker ended without a word.
    #[error("the worker ended before it answered")]
    Lost,
    /// A bug of ours, caught.
    #[error("a handler panicked")]
    Panicked,
}

impl ApiError {
    /// Status and code: the table.
    pub fn row(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::NoRoute => (S::NOT_FOUND, "no_route"),
            Self::Method(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::UnknownModel => (S::NOT_FOUND, "unknown_model"),
            Self::NoDefaultModel => (S::NOT_FOUND, "no_default_model"),
            Self::UnknownRole => (S::NOT_FOUND, "unknown_role"),
            Self::RoleNotFilled(_) => (S::NOT_FOUND, "role_not_filled"),
            Self::RoleNotAllowed => (S::FORBIDDEN, "role_not_allowed"),
            Self::Admin(error) => admin(error),
            Self::Control(error) => control(error),
            Self::Body(BodyError::TooLarge { .. }) => (S::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Body(BodyError::Inflated { .. }) => {
                (S::PAYLOAD_TOO_LARGE, "body_inflates_too_far")
            }
            Self::Body(BodyError::Slow { .. }) => (S::REQUEST_TIMEOUT, "body_too_slow"),
            Self::Body(BodyError::Broken) => (S::BAD_REQUEST, "body_broken"),
            Self::Body(BodyError::CorruptEncoding { .. }) => {
                (S::BAD_REQUEST, "body_encoding_corrupt")
            }
            Self::Body(BodyError::UnknownEncoding) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "body_encoding_unknown")
            }
            Self::Request(error) => (S::BAD_REQUEST, error.code()),
            Self::Image(ImageError::Empty) => (S::BAD_REQUEST, "body_empty"),
            Self::Image(ImageError::Unsupported { .. }) => {
                (S::UNSUPPORTED_MEDIA_TYPE, "image_format_unsupported")
            }
            Self::Image(ImageError::TooManyBytes { .. }) => {
                (S::PAYLOAD_TOO_LARGE, "image_too_many_bytes")
            }
            Self::Image(ImageError::TooLarge { .. }) => {
                (S::PAYLOAD_TOO_LARGE, "image_too_many_pixels")
            }
            Self::Image(ImageError::TooManyScans { .. }) => {
                (S::UNPROCESSABLE_ENTITY, "image_too_many_scans")
            }
            Self::Image(ImageError::WrongCount { .. }) => (S::BAD_REQUEST, "shape_mismatch"),
            Self::Image(ImageError::NotFinite { .. }) => (S::BAD_REQUEST, "number_not_finite"),
            Self::Image(ImageError::Corrupt { .. }) => (S::UNPROCESSABLE_ENTITY, "image_corrupt"),
            Self::Refusal(Refusal::Full { .. }) => (S::SERVICE_UNAVAILABLE, "queue_full"),
            Self::Refusal(Refusal::Closed) => (S::SERVICE_UNAVAILABLE, "version_ended"),
            Self::Batch(BatchError::Expired) => (S::GATEWAY_TIMEOUT, "deadline_exceeded"),
            Self::Batch(BatchError::Failed(_)) => (S::INTERNAL_SERVER_ERROR, "inference_failed"),
            Self::Batch(BatchError::Panicked(_)) => {
                (S::INTERNAL_SERVER_ERROR, "inference_panicked")
            }
            Self::NonFinite => (S::INTERNAL_SERVER_ERROR, "non_finite_output"),
            Self::Lost => (S::INTERNAL_SERVER_ERROR, "worker_lost"),
            Self::Panicked => (S::INTERNAL_SERVER_ERROR, "panicked"),
        }
    }

    /// How a version's counters call it.
    pub fn outcome(&self) -> Outcome {
        match self.row().0 {
            StatusCode::SERVICE_UNAVAILABLE => Outcome::Refused,
            StatusCode::GATEWAY_TIMEOUT => Outcome::Expired,
            status if status.is_client_error() => Outcome::Invalid,
            _ => Outcome::Failed,
        }
    }

    /// Tells the log, where it is handled: our failures as errors, refusals for those who debug a client.
    pub fn log(&self, id: &RequestId) {
        let (status, code) = self.row();
        // The text may hold what a client wrote: Debug escapes line ends and control characters.
        let error = format!("{:?}", self.to_string());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id = id.as_str(), code, error, "request failed");
        } else {
            tracing::debug!(request_id = id.as_str(), code, error, "request refused");
        }
    }

    /// What the client reads: an engine's own words and a panic's stay in the log.
    pub fn problem(&self, request_id: &str) -> Problem {
        let (status, code) = self.row();
        let detail = match self {
            Self::Batch(BatchError::Failed(_)) => {
                "the network could not be run on this batch".into()
            }
            Self::Batch(BatchError::Panicked(_)) => "the engine panicked on this batch".into(),
            Self::Panicked => {
                "an unexpected failure; it has been logged under this request id".into()
            }
            other => other.to_string(),
        };
        let current = match self {
            Self::Control(ControlError::Stale { current, .. }) => Some((**current).clone()),
            _ => None,
        };
        Problem {
            current,
            r#type: format!("urn:stillhouse:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            error: detail.clone(),
            detail,
            code: code.to_owned(),
            request_id: request_id.to_owned(),
        }
    }
}

fn admin(error: &AdminError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        AdminError::Unauthorized => (S::UNAUTHORIZED, "unauthorized"),
        AdminError::TooManyGuesses => (S::TOO_MANY_REQUESTS, "too_many_wrong_tokens"),
        AdminError::ReadOnly => (S::FORBIDDEN, "viewer_may_not_change"),
        AdminError::CrossSite(_) => (S::FORBIDDEN, "cross_site"),
        AdminError::ForeignHost(_) => (S::FORBIDDEN, "foreign_host"),
        AdminError::NoPrecondition => (S::PRECONDITION_REQUIRED, "precondition_required"),
        AdminError::Precondition => (S::BAD_REQUEST, "if_match_invalid"),
        AdminError::Order(_) => (S::UNPROCESSABLE_ENTITY, "order_invalid"),
        AdminError::Query(_) => (S::BAD_REQUEST, "query_invalid"),
        AdminError::Name(_) => (S::UNPROCESSABLE_ENTITY, "name_invalid"),
        AdminError::KeyReused => (S::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
        AdminError::TooManyEventStreams => (S::SERVICE_UNAVAILABLE, "too_many_event_streams"),
        AdminError::EventId => (S::BAD_REQUEST, "last_event_id_invalid"),
        AdminError::Key => (S::BAD_REQUEST, "idempotency_key_invalid"),
    }
}

fn control(error: &ControlError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        ControlError::UnknownModel => (S::NOT_FOUND, "unknown_model"),
        ControlError::UnknownVersion { .. } => (S::NOT_FOUND, "unknown_version"),
        ControlError::Stale { .. } => (S::PRECONDITION_FAILED, "stale_generation"),
        ControlError::Refused(refusal) => (S::CONFLICT, refused(refusal)),
        ControlError::NotLoaded(_) => (S::CONFLICT, "version_not_loaded"),
        ControlError::Load { source, .. } => match source {
            LoadError::Store(error) => store(error),
            LoadError::Validation(_) => (S::UNPROCESSABLE_ENTITY, "version_failed_validation"),
            LoadError::Launch(_) => (S::UNPROCESSABLE_ENTITY, "version_refused"),
            LoadError::Replaced => (S::CONFLICT, "version_changed_while_loading"),
            LoadError::Panicked => (S::UNPROCESSABLE_ENTITY, "engine_panicked_while_loading"),
        },
        ControlError::Journal(_) => (S::SERVICE_UNAVAILABLE, "journal_unwritable"),
        ControlError::Store(error) | ControlError::NotDone { source: error, .. } => store(error),
        ControlError::InUse { .. } => (S::CONFLICT, "version_in_use"),
        ControlError::NoRepository => (S::CONFLICT, "no_repository"),
        ControlError::Panicked => (S::INTERNAL_SERVER_ERROR, "panicked"),
    }
}

fn refused(refusal: &ChangeRefused) -> &'static str {
    use ChangeRefused as R;
    match refusal {
        R::NoCanary => "no_canary",
        R::CanaryExists(_) => "canary_exists",
        R::NoPrevious => "no_previous",
        R::NoTeacher => "no_teacher",
        R::RoleTaken { .. } => "version_fills_a_role",
        R::TooMuch { .. } => "shares_exceed_everything",
    }
}

/// What is wrong with a repository is the operator's to mend, except where the disk fails.
fn store(error: &StoreError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        StoreError::Exists { .. } => (S::CONFLICT, "version_exists"),
        StoreError::Missing { .. } => (S::NOT_FOUND, "version_missing"),
        StoreError::TooLarge { .. } | StoreError::ArchiveTooLarge { .. } => {
            (S::PAYLOAD_TOO_LARGE, "version_too_large")
        }
        StoreError::Io { .. } => (S::SERVICE_UNAVAILABLE, "repository_unusable"),
        _ => (S::UNPROCESSABLE_ENTITY, "version_invalid"),
    }
}

/// RFC 9457 problem details; `error` repeats `detail` for clients of the Open Inference Protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI for this kind of problem.
    #[schema(example = "urn:stillhouse:problem:queue_full")]
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong and what would be right.
    pub detail: String,
    /// Stable, for programs; the same word counts it in `stillhouse_refusals_total`.
    pub code: String,
    /// The request's id, as in the log.
    pub request_id: String,
    /// The same as `detail`.
    pub error: String,
    /// With 412: the deployment that is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Assignment>,
}

impl IntoResponse for ApiError {
    /// Leaves the error in the response for the module `layers`, which knows the request id, logs and counts it, once.
    fn into_response(self) -> Response {
        let status = self.row().0;
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if matches!(self, Self::Admin(AdminError::Unauthorized)) {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        if matches!(self, Self::Body(_)) {
            // What is left of the body has not been read: the connection can't be used again.
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}
