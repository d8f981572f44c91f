//! Two classes where a graph gives one score a row: the negative class, then the positive.
//!
//! Two exclusive classes say the same as one probability, and everything that is asked of classes (labels, agreement,
//! divergence, drift) has its usual meaning for them: the divergence of two Bernoulli distributions is that of `[1 - p, p]`.

use std::sync::Arc;

use crate::{Blueprint, Engine, EngineError, Signature, SingleScore, Stopper};

/// A blueprint whose graph gives one score a row.
pub(crate) struct Binary {
    inner: Arc<dyn Blueprint>,
    score: SingleScore,
}

impl Binary {
    pub(crate) fn new(inner: Arc<dyn Blueprint>, score: SingleScore) -> Self {
        Self { inner, score }
    }
}

impl Blueprint for Binary {
    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn batch_limit(&self) -> Option<usize> {
        self.inner.batch_limit()
    }

    fn build(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(Doubling {
            inner: self.inner.build(max_batch)?,
            score: self.score,
            scores: Vec::with_capacity(2 * max_batch),
        }))
    }
}

struct Doubling {
    inner: Box<dyn Engine>,
    score: SingleScore,
    /// `[rows, 2]`.
    scores: Vec<f32>,
}

impl Engine for Doubling {
    fn input(&mut self, rows: usize) -> &mut [f32] {
        self.inner.input(rows)
    }

    fn run(&mut self, rows: usize) -> Result<&[f32], EngineError> {
        let single = self.inner.run(rows)?;
        self.scores.clear();
        self.scores
            .extend(single.iter().flat_map(|score| match self.score {
                SingleScore::Logit => [0.0, *score],
                SingleScore::Probability => [1.0 - score, *score],
            }));
        Ok(&self.scores)
    }

    fn stopper(&self) -> Stopper {
        self.inner.stopper()
    }
}
