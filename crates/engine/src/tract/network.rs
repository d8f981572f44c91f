//! The engine: buffers and the loop over rows.

use std::sync::Arc;

use tract_onnx::{prelude::*, tract_core::internal::bail};

use super::plan::Planned;
use crate::{ElementType, Engine, EngineError, Signature, signature::write_bytes};

/// A state of the shared plan and the buffers it reads from and answers into.
pub(super) struct Network {
    plan: Arc<TypedSimplePlan>,
    /// Missing after a run that failed or panicked: it would hold that run's values and batch size.
    state: Option<TypedSimpleState>,
    /// Rows per run, where the plan fixes them.
    chunk: Option<usize>,
    signature: Arc<Signature>,
    max_batch: usize,
    /// `[rows, ...]` of the batch last asked for, padded to whole chunks; read from here where that is one run.
    input: Arc<Tensor>,
    /// `[rows, width]`.
    scores: Vec<f32>,
}

impl Network {
    pub(super) fn new(
        planned: &Planned,
        signature: Arc<Signature>,
        max_batch: usize,
    ) -> Result<Self, EngineError> {
        let chunk = planned.rows;
        let rows = max_batch.next_multiple_of(chunk.unwrap_or(1));
        Ok(Self {
            plan: Arc::clone(&planned.plan),
            state: Some(planned.plan.spawn().map_err(failed)?),
            chunk,
            input: Arc::new(zeros(&signature, rows).map_err(failed)?),
            scores: Vec::with_capacity(rows * signature.width()),
            signature,
            max_batch,
        })
    }

    fn run_chunk(&mut self, chunk: Arc<Tensor>, rows: usize) -> TractResult<()> {
        let mut state = self.state.take().map_or_else(|| self.plan.spawn(), Ok)?;
        let chunk = match self.signature.input.element {
            ElementType::F32 | ElementType::F16 => chunk,
            ElementType::U8 => Arc::new(as_bytes(&chunk)?),
        };
        let outputs = state.run(tvec!(chunk.into_tvalue()))?;
        self.state = Some(state);
        let output = outputs[0].cast_to::<f32>()?;
        let found = output.try_as_plain_ram()?;
        let right = rows * self.signature.width();
        if found.len() != right {
            bail!(
                "the output is {:?}, {} numbers; {right} would be right",
                found.shape(),
                found.len()
            );
        }
        self.scores.extend_from_slice(found.as_slice()?);
        Ok(())
    }
}

impl Engine for Network {
    fn input(&mut self, rows: usize) -> &mut [f32] {
        assert!(
            (1..=self.max_batch).contains(&rows),
            "{rows} rows, but batches go from 1 to {}",
            self.max_batch
        );
        let needed = rows.next_multiple_of(self.chunk.unwrap_or(1));
        if self.input.shape()[0] != needed {
            self.input =
                Arc::new(zeros(&self.signature, needed).expect("max_batch rows were made before"));
        }
        let view = Arc::make_mut(&mut self.input)
            .to_plain_array_view_mut::<f32>()
            .expect("made as f32");
        let all = view.into_slice().expect("made row-major");
        let (rows, padding) = all.split_at_mut(rows * self.signature.row_len);
        padding.fill(0.0);
        rows
    }

    fn run(&mut self, rows: usize) -> Result<&[f32], EngineError> {
        self.scores.clear();
        let all = self.input.shape()[0];
        let chunk = self.chunk.unwrap_or(all);
        if chunk == all {
            self.run_chunk(Arc::clone(&self.input), chunk)
                .map_err(failed)?;
        } else {
            for first in (0..rows).step_by(chunk) {
                let part = self.input.slice(0, first, first + chunk).map_err(failed)?;
                self.run_chunk(Arc::new(part), chunk).map_err(failed)?;
            }
        }
        Ok(&self.scores[..rows * self.signature.width()])
    }
}

/// The same numbers as bytes.
fn as_bytes(numbers: &Tensor) -> TractResult<Tensor> {
    let numbers_view = numbers.try_as_plain_ram()?;
    let numbers_view = numbers_view.as_slice::<f32>()?;
    let mut bytes = vec![0; numbers_view.len()];
    write_bytes(numbers_view, &mut bytes);
    Tensor::from_shape(numbers.shape(), &bytes)
}

/// An input of `rows` rows.
fn zeros(signature: &Signature, rows: usize) -> TractResult<Tensor> {
    Tensor::zero::<f32>(&signature.input_shape(rows))
}

fn failed(error: TractError) -> EngineError {
    EngineError::Run(format!("{error:#}"))
}
