//! Errors of the HTTP front and of the admin plane: their status, code and text. Bodies are RFC 9457 problem details.
//!
//! Errors of predictions have one table for all protocols, [`ErrorKind`].

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    admin_error::AdminError, listener::HeadError, request_error::RequestError,
    request_id::RequestId,
};
use stillhouse_control::{ControlError, LoadError};
use stillhouse_core::rollout::{Assignment, ChangeRefused};
use stillhouse_excerpt::Excerpt;
use stillhouse_serving::{BodyError, ErrorKind, PredictError};
use stillhouse_store::StoreError;

/// Seconds after which a refused client may try again: by then, a full queue is empty, for any network that can be
/// served at all.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Every reason why an HTTP request fails.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No route has this path.
    #[error("there is nothing at this path; GET /docs lists what there is")]
    NoRoute,
    /// The path exists, but not with this method.
    #[error("this path does not take {0}; see the Allow header")]
    Method(Excerpt),
    /// The operator has no access, or sent a body that can't be read.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// An order was not carried out.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The query, a header or the form of the body is invalid.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The head can't be read; its connection is closed.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The prediction failed; [`ErrorKind`] has its status.
    #[error(transparent)]
    Predict(#[from] PredictError),
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        PredictError::from(error).into()
    }
}

/// An error's row in the table: its HTTP status and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpStatusRow {
    /// The status.
    pub status: StatusCode,
    /// For programs and counters.
    pub code: &'static str,
}

impl From<ErrorKind> for HttpStatusRow {
    fn from(kind: ErrorKind) -> Self {
        Self {
            status: StatusCode::from_u16(kind.http_status())
                .expect("the table has statuses of HTTP"),
            code: kind.code(),
        }
    }
}

impl ApiError {
    /// A task panicked.
    pub const PANICKED: Self = Self::Predict(PredictError::Panicked);

    /// Status and code of everything that isn't a prediction; predictions have those of [`ErrorKind`].
    pub fn row(&self) -> HttpStatusRow {
        use StatusCode as S;
        let (status, code) = match self {
            Self::Predict(error) => return error.kind().into(),
            Self::NoRoute => (S::NOT_FOUND, "no_route"),
            Self::Method(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Request(error) => (S::BAD_REQUEST, error.code()),
            Self::Head(error) => head(*error),
            Self::Admin(error) => admin(error),
            Self::Control(error) => control(error),
        };
        HttpStatusRow { status, code }
    }

    /// Logs the error where it is handled: the server's failures as errors, refusals as debug events for client
    /// developers.
    pub fn log(&self, id: &RequestId) {
        if let Self::Predict(error) = self {
            return error.log(id.as_str());
        }
        let HttpStatusRow { status, code } = self.row();
        // The text may contain what a client sent: Debug escapes line ends and control characters.
        let error = format!("{:?}", self.to_string());
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id = id.as_str(), code, error, "request failed");
        } else {
            tracing::debug!(request_id = id.as_str(), code, error, "request refused");
        }
    }

    /// The text for the client.
    pub fn problem(&self, request_id: &str) -> Problem {
        let HttpStatusRow { status, code } = self.row();
        let detail = match self {
            Self::Predict(error) => error.public_detail(),
            other => other.to_string(),
        };
        let detail = shortened(detail);
        let current = match self {
            Self::Control(ControlError::Stale { current, .. }) => Some(current.clone()),
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

    /// The body of this server's own API: [`Problem`], as `application/problem+json`.
    pub fn write_problem(&self, id: &RequestId) -> (HeaderValue, Body) {
        let problem = self.problem(id.as_str());
        let json = serde_json::to_vec(&problem).expect("strings and a number");
        (
            HeaderValue::from_static("application/problem+json"),
            json.into(),
        )
    }
}

fn head(error: HeadError) -> (StatusCode, &'static str) {
    let (status, code) = error.row();
    let status = StatusCode::from_u16(status).expect("a status of HTTP");
    (status, code)
}

fn admin(error: &AdminError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        AdminError::NoToken | AdminError::WrongToken => (S::UNAUTHORIZED, "unauthorized"),
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
        AdminError::TooManyUploads => (S::SERVICE_UNAVAILABLE, "too_many_uploads"),
        AdminError::TooManyEventStreams => (S::SERVICE_UNAVAILABLE, "too_many_event_streams"),
        AdminError::EventId => (S::BAD_REQUEST, "last_event_id_invalid"),
        AdminError::Key => (S::BAD_REQUEST, "idempotency_key_invalid"),
    }
}

fn control(error: &ControlError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        ControlError::UnknownModel(_) => (S::NOT_FOUND, "unknown_model"),
        ControlError::UnknownVersion { .. } => (S::NOT_FOUND, "unknown_version"),
        ControlError::FilesReplaced { .. } => (S::CONFLICT, "version_files_replaced"),
        ControlError::Stale { .. } => (S::PRECONDITION_FAILED, "stale_generation"),
        ControlError::Refused(refusal) => (S::CONFLICT, refused(refusal)),
        ControlError::NotLoaded(_) => (S::CONFLICT, "version_not_loaded"),
        ControlError::KindsDiffer(_) => (S::CONFLICT, "output_kinds_differ"),
        ControlError::Load { source, .. } => match source {
            LoadError::Store(error) => store(error),
            LoadError::TimedOut { .. } => (S::UNPROCESSABLE_ENTITY, "version_timed_out"),
            LoadError::TooManyStuck { .. } => (S::SERVICE_UNAVAILABLE, "too_many_stuck_threads"),
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
        R::NoTeacher | R::NothingToJudgeBy => "no_teacher",
        R::RoleTaken { .. } => "version_fills_a_role",
        R::TooMuch { .. } => "shares_exceed_everything",
    }
}

/// Problems of a repository are for the operator to fix, unless the disk fails.
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

/// Texts that repeat what a caller wrote do so in an excerpt. This is for all others, whatever they may come to contain.
const MAX_DETAIL_BYTES: usize = 4 << 10;

fn shortened(mut detail: String) -> String {
    if detail.len() > MAX_DETAIL_BYTES {
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        detail.push_str(" ...");
    }
    detail
}

/// RFC 9457 problem details; `error` repeats `detail` for clients of the Open Inference Protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI for this kind of problem.
    #[schema(example = "urn:stillhouse:problem:queue_full")]
    pub r#type: String,
    /// A title for the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong, and what would be right.
    pub detail: String,
    /// Stable, for programs; the same word is its label in `stillhouse_refusals_total`.
    pub code: String,
    /// The request's id, as in the log.
    pub request_id: String,
    /// The same as `detail`.
    pub error: String,
    /// With 412: the current deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Assignment>)]
    pub current: Option<Box<Assignment>>,
}

impl IntoResponse for ApiError {
    /// Leaves the error in the response for the module `layers`, which knows the request's id and the front, and logs
    /// and counts the error, once.
    fn into_response(self) -> Response {
        let status = self.row().status;
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if matches!(
            status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if matches!(
            self,
            Self::Admin(AdminError::NoToken | AdminError::WrongToken)
        ) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(self, Self::Head(_) | Self::Predict(PredictError::Body(_))) {
            // Nothing after such a head can be understood; the rest of a body may be larger than what is drained.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}
