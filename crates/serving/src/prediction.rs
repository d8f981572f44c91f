//! What a prediction is, before any protocol writes it down.

use std::{sync::Arc, time::Duration};

use stillhouse_core::{
    batch::Answer,
    rollout::{Deployment, Role},
    version::Version,
};

use super::PredictError;

/// Where one input's time went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// From bytes to the network's pixels.
    pub decode: Duration,
    /// From submission to the beginning of its batch.
    pub queued: Duration,
    /// The run of its batch.
    pub inference: Duration,
    /// Rows in its batch.
    pub batch_rows: usize,
}

impl Timings {
    pub(super) fn new(decode: Duration, answer: &Answer) -> Self {
        Self {
            decode,
            queued: answer.queued,
            inference: answer.inference,
            batch_rows: answer.batch_rows,
        }
    }

    /// What the version took, from the moment that it had the input: decoding is the picture's doing.
    pub(super) fn by_version(&self) -> Duration {
        self.queued + self.inference
    }
}

/// The prediction for one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `[classes]`, in the order of the model's labels; finite.
    pub probabilities: Vec<f32>,
    /// Where its time went.
    pub timings: Timings,
}

/// The predictions for one request, all by one version.
pub struct Prediction {
    /// Everything that the caller reads of versions and generations comes from this one.
    pub deployment: Arc<Deployment>,
    /// The role that answered.
    pub role: Role,
    /// The role that should have answered and could not.
    pub instead_of: Option<Role>,
    /// One for each input, in their order.
    pub rows: Vec<Result<Row, PredictError>>,
}

impl Prediction {
    /// The version that answered.
    pub fn version(&self) -> &Version {
        let seat = self.deployment.seat(self.role);
        &seat.unwrap_or(&self.deployment.stable).version
    }

    /// The number of the deployment that answered.
    pub fn generation(&self) -> u64 {
        self.deployment.assignment.generation
    }
}
