//! An engine that follows a script, for tests of the layers above an engine: slow, failing, panicking, NaN.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, ThreadId},
};

use crate::{Batch, Blueprint, Dim, ElementType, Engine, EngineError, Port, Signature};

/// Gets the filled input `[rows, row_len]` and the number of rows; gives `[rows, classes]`.
pub type Script = dyn Fn(&[f32], usize) -> Result<Vec<f32>, EngineError> + Send + Sync;

/// A blueprint whose engines all follow one script.
#[derive(Clone)]
pub struct Scripted {
    signature: Signature,
    limit: Option<usize>,
    script: Arc<Script>,
    census: Arc<Census>,
}

/// How many engines there were, and whether each was dropped where it was built.
#[derive(Debug, Default)]
pub struct Census {
    /// Built so far.
    pub built: AtomicUsize,
    /// Dropped so far.
    pub dropped: AtomicUsize,
    /// Dropped on another thread than the one that built them: must stay 0.
    pub dropped_elsewhere: AtomicUsize,
}

impl Scripted {
    /// Takes `[N, row_len]`, gives `[N, classes]`.
    pub fn new(
        row_len: usize,
        classes: usize,
        script: impl Fn(&[f32], usize) -> Result<Vec<f32>, EngineError> + Send + Sync + 'static,
    ) -> Self {
        let port = |name: &str, len| Port {
            name: name.into(),
            dims: vec![Dim::Symbol("N".into()), Dim::Fixed(len)],
            element: ElementType::F32,
        };
        Self {
            signature: Signature {
                input: port("input", row_len),
                output: port("output", classes),
                batch: Batch::Dynamic,
                row_len,
                classes,
                single_score: None,
                opset: 17,
                activation: None,
            },
            limit: None,
            script: Arc::new(script),
            census: Arc::default(),
        }
    }

    /// What is counted of this blueprint's engines.
    pub fn census(&self) -> Arc<Census> {
        self.census.clone()
    }

    /// Declares that batches beyond this size are of no use.
    #[must_use]
    pub fn with_batch_limit(self, limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }
}

impl Blueprint for Scripted {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn describe(&self) -> String {
        "scripted".into()
    }

    fn batch_limit(&self) -> Option<usize> {
        self.limit
    }

    fn build(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        self.census.built.fetch_add(1, Relaxed);
        Ok(Box::new(Following {
            census: self.census.clone(),
            home: thread::current().id(),
            row_len: self.signature.row_len,
            input: vec![0.0; max_batch * self.signature.row_len],
            output: Vec::new(),
            script: self.script.clone(),
        }))
    }
}

struct Following {
    census: Arc<Census>,
    home: ThreadId,
    row_len: usize,
    input: Vec<f32>,
    output: Vec<f32>,
    script: Arc<Script>,
}

impl Engine for Following {
    fn input(&mut self, rows: usize) -> &mut [f32] {
        &mut self.input[..rows * self.row_len]
    }

    fn run(&mut self, rows: usize) -> Result<&[f32], EngineError> {
        self.output = (self.script)(&self.input[..rows * self.row_len], rows)?;
        Ok(&self.output)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if thread::current().id() != self.home {
            self.census.dropped_elsewhere.fetch_add(1, Relaxed);
        }
        self.census.dropped.fetch_add(1, Relaxed);
    }
}
