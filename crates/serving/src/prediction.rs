//! The result of a prediction, independent of any protocol.

use std::{sync::Arc, time::Duration};

use stillhouse_core::{
    batch::Answer,
    rollout::{Deployment, Role},
    version::Version,
};

use super::PredictError;

/// How long each step took for one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// From the input's bytes to the network's pixels.
    pub decode: Duration,
    /// From submission to the start of its batch.
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

    /// How long the version took once it had the input: the time for decoding depends on the picture.
    pub(super) fn by_version(&self) -> Duration {
        self.queued + self.inference
    }
}

/// The prediction for one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `[classes]`, in the order of the model's labels; finite.
    pub probabilities: Vec<f32>,
    /// How long each step took.
    pub timings: Timings,
}

/// The predictions for one request, all by one version.
pub struct Prediction {
    /// The version and the generation in the answer come from this deployment.
    pub deployment: Arc<Deployment>,
    /// The role that answered.
    pub role: Role,
    /// The role that should have answered and could not.
    pub instead_of: Option<Role>,
    /// One for each input, in the order of the request.
    pub rows: Vec<Result<Row, PredictError>>,
}

impl Prediction {
    /// The version that answered.
    pub fn version(&self) -> &Version {
        let seat = self.deployment.seat(self.role);
        &seat.unwrap_or(&self.deployment.stable).version
    }

    /// The generation of the deployment that answered.
    pub fn generation(&self) -> u64 {
        self.deployment.assignment.generation
    }
}
