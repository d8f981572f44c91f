//! Why a prediction failed, and one table with the meaning of that in every protocol.

mod table;

use stillhouse_core::{
    batch::{BatchError, SubmitError},
    registry::UnknownModel,
    rollout::{Outcome, Role},
};
use stillhouse_image::ImageError;

use super::BodyError;
pub use table::{ErrorKind, GrpcStatus};

/// Every reason why a prediction fails. Each has a row in [`ErrorKind`]'s table.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// No model of this name.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// The request names no model, and there is no default model.
    #[error("no default model is configured; POST to /models/{{model}}/predict")]
    NoDefaultModel,
    /// No role of this name.
    #[error("the header x-stillhouse-role must be teacher, stable or canary")]
    UnknownRole,
    /// No version has the role.
    #[error(
        "no version fills the role {0} now; GET /models/{{model}} lists the version in each role"
    )]
    RoleNotFilled(Role),
    /// Callers may not choose a role here.
    #[error(
        "this server does not let callers choose a role; set routing.role_header = true to allow it"
    )]
    RoleNotAllowed,
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// There would be too many bytes in flight.
    #[error(
        "the server already holds as many bytes of requests and unread answers as it may, {limit_bytes} (requests.max_bytes_in_flight); send less at a time, or try again"
    )]
    BytesInFlight {
        /// The limit.
        limit_bytes: usize,
    },
    /// `top_k` is not between 1 and the number of classes.
    #[error("top_k is {given}; it must be between 1 and {classes}, the number of classes")]
    TopK {
        /// The value in the request.
        given: usize,
        /// The number of classes.
        classes: usize,
    },
    /// No input.
    #[error(
        "the body holds no picture: send image bytes, multipart/form-data with one file per part, or JSON"
    )]
    NoInput,
    /// Too many inputs in one request.
    #[error("the body holds more than {limit} pictures (requests.max_images)")]
    TooManyInputs {
        /// The limit.
        limit: usize,
    },
    /// The pictures of one request are too many pixels together.
    #[error(
        "the pictures have {pixels} pixels together, the limit is {limit} (requests.max_pixels): send them smaller, or in several requests"
    )]
    TooManyPixels {
        /// As their headers say.
        pixels: u64,
        /// The limit.
        limit: u64,
    },
    /// The numbers have another shape than the network's input.
    #[error(
        "the numbers have shape {given}, the network reads {expected} (see GET /models/{{model}})"
    )]
    Shape {
        /// The shape in the request.
        given: String,
        /// The shape that the network reads.
        expected: String,
    },
    /// The network reads bytes, and a number is none.
    #[error("number {index} is {value}, the network reads whole numbers from 0 to 255")]
    NotAByte {
        /// Its place.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The picture can't be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The version's queue did not take it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The server's own deadline passed before a version had had its full time.
    #[error("the deadline passed before a version had its full time")]
    DeadlineBeforeInference,
    /// A version did not answer within the time that the configuration gives it.
    #[error("the deadline passed before the version answered")]
    Deadline,
    /// A deadline passed that the client chose, or that left a version less time than the configuration gives.
    #[error("the deadline that the request asked for (x-timeout-ms) passed")]
    ClientDeadline,
    /// The engine could not run the batch; the text is for logs, not for clients.
    #[error("{0}")]
    InferenceFailed(String),
    /// The engine panicked; only this batch is lost.
    #[error("the engine panicked: {0}")]
    InferencePanicked(String),
    /// The network answered NaN or infinity.
    #[error("the network's answer to this picture is not a finite number")]
    NonFinite,
    /// A worker ended without an answer.
    #[error("the worker ended before it answered")]
    WorkerLost,
    /// A bug outside the engines.
    #[error("an unexpected failure; it has been logged under this request id")]
    Panicked,
}

impl PredictError {
    /// Its row in the table.
    pub fn kind(&self) -> ErrorKind {
        use ErrorKind as K;
        match self {
            Self::UnknownModel(_) => K::UnknownModel,
            Self::NoDefaultModel => K::NoDefaultModel,
            Self::UnknownRole => K::UnknownRole,
            Self::RoleNotFilled(_) => K::RoleNotFilled,
            Self::RoleNotAllowed => K::RoleNotAllowed,
            Self::Body(error) => body(error),
            Self::BytesInFlight { .. } => K::BytesInFlight,
            Self::TopK { .. } => K::TopK,
            Self::NoInput => K::NoInput,
            Self::TooManyInputs { .. } => K::TooManyInputs,
            Self::TooManyPixels { .. } => K::TooManyPixels,
            Self::Shape { .. } => K::Shape,
            Self::NotAByte { .. } => K::NumberNotAByte,
            Self::Image(error) => image(error),
            Self::Submit(SubmitError::Full { .. }) => K::QueueFull,
            Self::Submit(SubmitError::Closed) => K::VersionEnded,
            Self::Submit(SubmitError::Stuck) => K::VersionStuck,
            Self::DeadlineBeforeInference => K::DeadlineBeforeInference,
            Self::Deadline => K::Deadline,
            Self::ClientDeadline => K::ClientDeadline,
            Self::InferenceFailed(_) => K::InferenceFailed,
            Self::InferencePanicked(_) => K::InferencePanicked,
            Self::NonFinite => K::NonFinite,
            Self::WorkerLost => K::WorkerLost,
            Self::Panicked => K::Panicked,
        }
    }

    /// The outcome in a version's request counters.
    pub fn outcome(&self) -> Outcome {
        self.kind().outcome()
    }

    /// The text for clients; an engine's error text, and a panic's, stay in the log.
    pub fn public_detail(&self) -> String {
        match self {
            Self::InferenceFailed(_) => "the network could not be run on this batch".into(),
            Self::InferencePanicked(_) => "the engine panicked on this batch".into(),
            other => other.to_string(),
        }
    }

    /// Logs the error once, where it is handled: the server's failures as errors, the others as debug events for client
    /// developers.
    pub fn log(&self, request_id: &str) {
        let code = self.kind().code();
        // The text may contain what a client sent: Debug escapes line ends and control characters.
        let error = format!("{:?}", self.to_string());
        if self.outcome() == Outcome::Failed {
            tracing::error!(request_id, code, error, "request failed");
        } else {
            tracing::debug!(request_id, code, error, "request refused");
        }
    }

    /// The error of a row that its queue had taken. `late` is the error to use if it was late.
    pub(super) fn of_batch(error: BatchError, late: Self) -> Self {
        match error {
            BatchError::Expired => late,
            BatchError::Failed(text) => Self::InferenceFailed(text),
            BatchError::Panicked(text) => Self::InferencePanicked(text),
        }
    }
}

fn body(error: &BodyError) -> ErrorKind {
    use ErrorKind as K;
    match error {
        BodyError::TooLarge { .. } => K::BodyTooLarge,
        BodyError::Inflated { .. } => K::BodyInflated,
        BodyError::Slow { .. } => K::BodySlow,
        BodyError::Broken => K::BodyBroken,
        BodyError::CorruptEncoding { .. } => K::BodyEncodingCorrupt,
        BodyError::UnknownEncoding => K::BodyEncodingUnknown,
    }
}

fn image(error: &ImageError) -> ErrorKind {
    use ErrorKind as K;
    match error {
        ImageError::Empty => K::ImageEmpty,
        ImageError::Unsupported { .. } => K::ImageUnsupported,
        ImageError::TooManyBytes { .. } => K::ImageTooManyBytes,
        ImageError::TooLarge { .. } => K::ImageTooManyPixels,
        ImageError::TooDense { .. } => K::ImageTooManyPixels,
        ImageError::TooManyScans { .. } => K::ImageTooManyScans,
        ImageError::TooManySegments { .. } => K::ImageTooManySegments,
        ImageError::WrongCount { .. } => K::Shape,
        ImageError::NotFinite { .. } => K::NumberNotFinite,
        ImageError::Corrupt { .. } => K::ImageCorrupt,
    }
}
