//! Ending a run from another thread.

use std::{fmt, sync::Arc};

type Switch = dyn Fn(bool) + Send + Sync;

/// Ends the runs of one engine from another thread, where the back end can do that.
///
/// ONNX Runtime can: it looks at a flag before each node, also inside a loop, so a run ends as soon as the node that is
/// being computed has ended. tract can't: its runs have no such flag.
#[derive(Clone, Default)]
pub struct Stopper(Option<Arc<Switch>>);

impl Stopper {
    /// Of an engine whose runs can't be ended.
    pub fn none() -> Self {
        Self::default()
    }

    /// `switch` gets `true` when runs are to end, with an error, and `false` when they may go on again.
    pub fn new(switch: impl Fn(bool) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(switch)))
    }

    /// Ends the current run, and every later one, until [`Stopper::resume`]; returns at once.
    pub fn stop(&self) {
        if let Some(switch) = &self.0 {
            switch(true);
        }
    }

    /// Allows runs again.
    pub fn resume(&self) {
        if let Some(switch) = &self.0 {
            switch(false);
        }
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "Stopper",
            None => "Stopper(none)",
        })
    }
}
