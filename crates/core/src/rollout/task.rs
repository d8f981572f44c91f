//! What is the same for every version of a model.

use stillhouse_metrics::Classes;
use stillhouse_store::ModelName;

/// One classification task.
#[derive(Clone, Debug)]
pub struct Task {
    /// The model's name.
    pub name: ModelName,
    /// Its classes, as they are counted.
    pub classes: Classes,
    /// The most nats that one answer's divergence counts where it is decided upon.
    pub clip_nats: f64,
}
