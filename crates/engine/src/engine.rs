//! The three traits between a batcher and a back end.

use crate::{EngineError, Signature, Stopper};

/// One row of a batch, able to write itself where the engine will read it.
///
/// A request travels as a `Sample` and becomes floats only once, in the batch buffer.
pub trait Sample: Send + 'static {
    /// Fills `row`, whose length is [`Signature::row_len`].
    fn write(&self, row: &mut [f32]);
}

/// What every worker of a version shares: checked, optimised where that can be shared, ready to be built from.
pub trait Blueprint: Send + Sync {
    /// What the graph takes and gives.
    fn signature(&self) -> &Signature;

    /// In words, for people: back end, its version, device, and what was decided about the batch dimension.
    fn describe(&self) -> String;

    /// The batch sizes worth forming at most; `None` where the engine has no opinion.
    ///
    /// A graph with a fixed batch of 1, or an engine that loops over rows, answers `Some(1)`.
    fn batch_limit(&self) -> Option<usize>;

    /// Builds an engine; call it on the thread that will own the engine.
    ///
    /// # Errors
    /// The back end refuses the graph or the device, or lacks memory.
    fn build(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError>;
}

/// A network that runs. Owned by one thread from build to drop, hence neither `Send` nor `Sync`.
pub trait Engine {
    /// The first `rows` rows of the input buffer, row-major `[rows, row_len]`, for the caller to fill.
    ///
    /// # Panics
    /// If `rows` is zero or more than the `max_batch` given to [`Blueprint::build`].
    fn input(&mut self, rows: usize) -> &mut [f32];

    /// Runs the rows last filled and returns the outputs, row-major `[rows, classes]`.
    ///
    /// Non-finite values are returned as they are: the caller decides what they mean.
    ///
    /// # Errors
    /// The back end's own failure, or outputs of another shape than the signature's.
    fn run(&mut self, rows: usize) -> Result<&[f32], EngineError>;

    /// Ends this engine's runs from another thread; by default there is no way to.
    fn stopper(&self) -> Stopper {
        Stopper::none()
    }
}
