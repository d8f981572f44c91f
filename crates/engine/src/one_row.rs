//! One row at a time, where rows that share a run would change each other's answers.

use std::sync::Arc;

use crate::{Blueprint, Engine, EngineError, Signature};

/// The same network for batches of one row; `why` ends its description. A blueprint that takes no more anyway is returned
/// as it is.
pub fn one_row_at_a_time(inner: Arc<dyn Blueprint>, why: Arc<str>) -> Arc<dyn Blueprint> {
    match inner.batch_limit() {
        Some(1) => inner,
        _ => Arc::new(OneRow { inner, why }),
    }
}

struct OneRow {
    inner: Arc<dyn Blueprint>,
    why: Arc<str>,
}

impl Blueprint for OneRow {
    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn describe(&self) -> String {
        format!(
            "{}, one row at a time ({})",
            self.inner.describe(),
            self.why
        )
    }

    fn batch_limit(&self) -> Option<usize> {
        Some(1)
    }

    fn build(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        self.inner.build(max_batch.min(1))
    }
}
