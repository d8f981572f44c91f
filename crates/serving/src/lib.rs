//! Predictions without a protocol: inputs and options go in, predictions or typed errors come out.
//!
//! ```text
//! front: head    --Serving::admit-->  Admitted   or refused: a full queue, too many bytes in flight, a role without a version
//! front: body    --Intake::charge / decompress / run-->  inputs
//! front: inputs  --Admitted::predict-->  Prediction, or PredictError
//! ```
//!
//! A front (HTTP today) translates its protocol into these calls and the results back, and does nothing else. Only this
//! module handles the budget of memory, the decoders, the deadline over everything, the choice of the role, the
//! fallback to stable, the evidence against a version, and the hand-over to the shadows. [`PredictError`] has one table
//! with its status in every protocol.

mod admitted;
pub mod body;
mod budget;
mod deadline;
mod decoders;
pub mod error;
mod evidence;
mod growing;
mod input;
mod intake;
mod prediction;
mod routing;
mod settings;
mod ticket;
mod version_call;

use std::sync::Arc;

use prometheus::{Histogram, IntGauge};

use decoders::Decoders;
use stillhouse_core::registry::{Model, Registry};
use stillhouse_image::Limits;
use stillhouse_metrics::{LATENCY_SECONDS, Metrics};
use ticket::Tickets;

pub use admitted::{Admitted, Caller};
pub use body::BodyError;
pub use budget::{Account, Budget, Charge};
pub use error::{ErrorKind, GrpcStatus, PredictError};
pub use growing::Growing;
pub use input::PredictInput;
pub use intake::{Intake, Options};
pub use prediction::{Prediction, Row, Timings};
pub use settings::RequestSettings;

/// Answers predictions for every front of this server.
pub struct Serving {
    registry: Arc<Registry>,
    settings: RequestSettings,
    limits: Limits,
    budget: Arc<Budget>,
    decoders: Decoders,
    tickets: Tickets,
    decode_duration: Histogram,
    bytes_in_flight: IntGauge,
}

impl Serving {
    /// Registers the metrics of this module. `limits` apply to one picture, `settings` to one request; `budget` is for
    /// what all requests together make the server hold.
    pub fn new(
        registry: Arc<Registry>,
        settings: RequestSettings,
        limits: Limits,
        budget: Arc<Budget>,
        metrics: &Metrics,
    ) -> Self {
        let no_labels: [&str; 0] = [];
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let decode_duration = metrics.histograms(
            "decode_duration_seconds",
            "From a picture's bytes to the network's pixels.",
            &[],
            LATENCY_SECONDS,
        );
        let bytes_in_flight = metrics.gauges(
            "request_bytes_in_flight",
            "Bytes that requests make the server hold now: heads, bodies as received and decompressed, parsed values, pictures being decoded or waiting, unread answers; requests.max_bytes_in_flight bounds them.",
            &[],
        );
        Self {
            registry,
            budget,
            decoders: Decoders::new(cores),
            settings,
            limits,
            tickets: Tickets::default(),
            decode_duration: decode_duration.with_label_values(&no_labels),
            bytes_in_flight: bytes_in_flight.with_label_values(&no_labels),
        }
    }

    /// The models of this server.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The budget of what requests make this server hold.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The limits of requests.
    pub fn settings(&self) -> &RequestSettings {
        &self.settings
    }

    /// The model of this name.
    ///
    /// # Errors
    /// [`PredictError::UnknownModel`].
    pub fn model(&self, name: &str) -> Result<&Model, PredictError> {
        Ok(self.registry.find(name)?)
    }

    /// The model of requests that don't name one.
    ///
    /// # Errors
    /// [`PredictError::NoDefaultModel`].
    pub fn default_model(&self) -> Result<&Model, PredictError> {
        self.registry
            .default_model()
            .ok_or(PredictError::NoDefaultModel)
    }

    /// Sets the gauges that are only needed when the metrics are read.
    pub fn refresh_metrics(&self) {
        self.bytes_in_flight.set(self.budget.used() as i64);
    }
}
