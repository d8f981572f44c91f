//! The options of a run, with which another thread can end it.

use std::sync::Arc;

use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions};

/// Options that the engine's thread runs with and that another thread may stop.
#[derive(Clone)]
pub(super) struct Options(Arc<Shared>);

struct Shared(RunOptions<HasSelectedOutputs>);

// SAFETY: ort keeps these options on one thread because a selector may hold a tensor into which a run writes. `Options::new`
// takes care that this one holds none; then two threads share only ONNX Runtime's flag, which its API sets from any thread.
unsafe impl Sync for Shared {}

impl Options {
    /// `outputs` must only name outputs, without a tensor for any of them.
    pub(super) fn new(options: RunOptions, outputs: OutputSelector) -> Self {
        Self(Arc::new(Shared(options.with_outputs(outputs))))
    }

    pub(super) fn get(&self) -> &RunOptions<HasSelectedOutputs> {
        &self.0.0
    }

    /// Ends the current run and all later ones, or allows runs again.
    pub(super) fn set_stopped(&self, stopped: bool) {
        // Neither call can fail: each sets a field.
        let _ = match stopped {
            true => self.get().terminate(),
            false => self.get().unterminate(),
        };
    }
}
