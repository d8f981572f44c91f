//! Why a prediction failed, and the one table of what that means to every protocol.

mod table;

use stillhouse_core::{
    batch::{BatchError, SubmitError},
    rollout::{Outcome, Role},
};
use stillhouse_image::ImageError;

use super::BodyError;
pub use table::{ErrorKind, GrpcStatus};

/// Everything that can keep a prediction from its caller. Each has a row in [`ErrorKind`]'s table.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// No model of this name.
    #[error("there is no model of this name; GET /models lists them")]
    UnknownModel,
    /// A request that names no model, without a default.
    #[error("no default model is configured; POST to /models/{{model}}/predict")]
    NoDefaultModel,
    /// No role of this name.
    #[error("the header x-stillhouse-role must be teacher, stable or canary")]
    UnknownRole,
    /// No version fills the role.
    #[error("no version fills the role {0} now; GET /models/{{model}} lists who fills which")]
    RoleNotFilled(Role),
    /// Callers don't choose here.
    #[error("this server does not let callers choose a role; routing.role_header = true would")]
    RoleNotAllowed,
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// All bodies together would be too much.
    #[error(
        "the server holds as many bytes of requests as it may, {limit_bytes} (requests.max_bytes_in_flight)"
    )]
    BytesInFlight {
        /// The limit.
        limit_bytes: usize,
    },
    /// `top_k` outside the classes.
    #[error("top_k is {given}; it must be between 1 and {classes}, the number of classes")]
    TopK {
        /// As asked for.
        given: usize,
        /// What there is.
        classes: usize,
    },
    /// Nothing to predict.
    #[error(
        "the body holds no picture: send image bytes, multipart/form-data with one file a part, or JSON"
    )]
    NoInput,
    /// Too many at once.
    #[error("the body holds more than {limit} pictures (requests.max_images)")]
    TooManyInputs {
        /// The limit.
        limit: usize,
    },
    /// Numbers in another shape than the network's input.
    #[error(
        "the numbers have shape {given}, the network reads {expected} (see GET /models/{{model}})"
    )]
    Shape {
        /// As sent.
        given: String,
        /// As it must be.
        expected: String,
    },
    /// The picture can't be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The version's queue did not take it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The server's own deadline passed before a version had the input.
    #[error("the deadline passed before inference began")]
    DeadlineBeforeInference,
    /// A version did not answer within the time that the configuration gives it.
    #[error("the deadline passed before the version answered")]
    Deadline,
    /// A deadline passed that the client chose, or that left a version less time than the configuration gives.
    #[error("the deadline that the request asked for (x-timeout-ms) passed")]
    ClientDeadline,
    /// The engine could not run the batch, in its own words: for logs, not for clients.
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
    /// The row of the table.
    pub fn kind(&self) -> ErrorKind {
        use ErrorKind as K;
        match self {
            Self::UnknownModel => K::UnknownModel,
            Self::NoDefaultModel => K::NoDefaultModel,
            Self::UnknownRole => K::UnknownRole,
            Self::RoleNotFilled(_) => K::RoleNotFilled,
            Self::RoleNotAllowed => K::RoleNotAllowed,
            Self::Body(error) => body(error),
            Self::BytesInFlight { .. } => K::BytesInFlight,
            Self::TopK { .. } => K::TopK,
            Self::NoInput => K::NoInput,
            Self::TooManyInputs { .. } => K::TooManyInputs,
            Self::Shape { .. } => K::Shape,
            Self::Image(error) => image(error),
            Self::Submit(SubmitError::Full { .. }) => K::QueueFull,
            Self::Submit(SubmitError::Closed) => K::VersionEnded,
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

    /// How a version's request counters name it.
    pub fn outcome(&self) -> Outcome {
        self.kind().outcome()
    }

    /// The text for clients: an engine's own words, and a panic's, stay in the log.
    pub fn public_detail(&self) -> String {
        match self {
            Self::InferenceFailed(_) => "the network could not be run on this batch".into(),
            Self::InferencePanicked(_) => "the engine panicked on this batch".into(),
            other => other.to_string(),
        }
    }

    /// Writes it to the log, once, where it is handled: our own failures as errors, the others for whoever debugs a client.
    pub fn log(&self, request_id: &str) {
        let code = self.kind().code();
        // The text may hold what a client wrote: Debug escapes line ends and control characters.
        let error = format!("{:?}", self.to_string());
        if self.outcome() == Outcome::Failed {
            tracing::error!(request_id, code, error, "request failed");
        } else {
            tracing::debug!(request_id, code, error, "request refused");
        }
    }

    /// What became of a row that its queue had taken. `late` is what lateness means here.
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
        ImageError::TooManyScans { .. } => K::ImageTooManyScans,
        ImageError::WrongCount { .. } => K::Shape,
        ImageError::NotFinite { .. } => K::NumberNotFinite,
        ImageError::Corrupt { .. } => K::ImageCorrupt,
    }
}
