//! Properties of a model that all its versions share.

use stillhouse_metrics::Classes;
use stillhouse_store::ModelName;

/// One classification task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The model's name.
    pub name: ModelName,
    /// Its class names in the metrics.
    pub classes: Classes,
    /// The largest divergence of one answer, in nats, where decisions use it.
    pub clip_nats: f64,
}
