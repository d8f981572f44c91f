//! The engine: buffers, batches, conversions.

use std::sync::Arc;

use half::{f16, slice::HalfFloatSliceExt};
use ort::{
    session::{OutputSelector, RunOptions, Session},
    value::TensorRef,
};

use super::{arena::Arena, host::Host, stoppable::Options};
use crate::{Device, ElementType, Engine, EngineError, Signature, Stopper, signature::write_bytes};

/// A session and the buffers it reads from and answers into.
pub(super) struct Network {
    /// `[rows, row_len]`; ONNX Runtime reads from here, unless it wants f16. Goes before the session whose allocator made it.
    input: Host,
    session: Session,
    /// Asks for the scores alone, should the graph have other outputs.
    usual: Options,
    /// The same, and to give memory back afterwards.
    shrinking: Options,
    arena: Arena,
    signature: Arc<Signature>,
    max_batch: usize,
    /// The input of one chunk in the graph's own type.
    converted: Converted,
    /// `[rows, width]`.
    scores: Vec<f32>,
}

/// Room for an input that isn't f32.
enum Converted {
    Not,
    Halves(Vec<f16>),
    Bytes(Vec<u8>),
}

impl Network {
    pub(super) fn new(
        session: Session,
        device: Device,
        signature: Arc<Signature>,
        max_batch: usize,
    ) -> Result<Self, EngineError> {
        let scores = || OutputSelector::no_default().with(signature.output.name.clone());
        let mut shrinking = RunOptions::new().map_err(failed)?;
        shrinking
            .set("memory.enable_memory_arena_shrinkage", "cpu:0")
            .map_err(failed)?;
        let chunk = signature.chunk().unwrap_or(max_batch);
        let rows = max_batch.next_multiple_of(chunk);
        let converted = match signature.input.element {
            ElementType::F32 => Converted::Not,
            ElementType::F16 => Converted::Halves(vec![f16::ZERO; chunk * signature.row_len]),
            ElementType::U8 => Converted::Bytes(vec![0; chunk * signature.row_len]),
        };
        Ok(Self {
            input: Host::new(&session, device, rows * signature.row_len),
            session,
            usual: Options::new(RunOptions::new().map_err(failed)?, scores()),
            shrinking: Options::new(shrinking, scores()),
            arena: Arena::default(),
            max_batch,
            converted,
            scores: vec![0.0; rows * signature.width()],
            signature,
        })
    }

    /// Runs `rows` rows from `first` on, in one call.
    fn run_chunk(&mut self, first: usize, rows: usize) -> Result<(), EngineError> {
        let (row_len, width) = (self.signature.row_len, self.signature.width());
        let input = &self.input.numbers()[first * row_len..(first + rows) * row_len];
        let scores = &mut self.scores[first * width..(first + rows) * width];
        let shape = self.signature.input_shape(rows);
        let options = match self.arena.shrinks_after(rows) {
            true => self.shrinking.get(),
            false => self.usual.get(),
        };
        let outputs = match &mut self.converted {
            Converted::Not => {
                let tensor = TensorRef::from_array_view((&shape[..], input)).map_err(failed)?;
                self.session.run_with_options(ort::inputs![tensor], options)
            }
            Converted::Halves(halves) => {
                let halves = &mut halves[..input.len()];
                halves.convert_from_f32_slice(input);
                let tensor = TensorRef::from_array_view((&shape[..], &*halves)).map_err(failed)?;
                self.session.run_with_options(ort::inputs![tensor], options)
            }
            Converted::Bytes(bytes) => {
                let bytes = &mut bytes[..input.len()];
                write_bytes(input, bytes);
                let tensor = TensorRef::from_array_view((&shape[..], &*bytes)).map_err(failed)?;
                self.session.run_with_options(ort::inputs![tensor], options)
            }
        };
        let outputs = outputs.map_err(failed)?;
        match self.signature.output.element {
            // The walk lets no other type through.
            ElementType::F32 | ElementType::U8 => {
                let (shape, found) = outputs[0].try_extract_tensor::<f32>().map_err(failed)?;
                expect(scores.len(), found.len(), shape)?;
                scores.copy_from_slice(found);
            }
            ElementType::F16 => {
                let (shape, found) = outputs[0].try_extract_tensor::<f16>().map_err(failed)?;
                expect(scores.len(), found.len(), shape)?;
                found.convert_to_f32_slice(scores);
            }
        }
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
        &mut self.input.numbers_mut()[..rows * self.signature.row_len]
    }

    fn run(&mut self, rows: usize) -> Result<&[f32], EngineError> {
        match self.signature.chunk() {
            None => self.run_chunk(0, rows)?,
            Some(n) => {
                let row_len = self.signature.row_len;
                let padding = rows * row_len..rows.next_multiple_of(n) * row_len;
                self.input.numbers_mut()[padding].fill(0.0);
                for first in (0..rows).step_by(n) {
                    self.run_chunk(first, n)?;
                }
            }
        }
        Ok(&self.scores[..rows * self.signature.width()])
    }

    fn stopper(&self) -> Stopper {
        let (usual, shrinking) = (self.usual.clone(), self.shrinking.clone());
        Stopper::new(move |stop| {
            usual.set_stopped(stop);
            shrinking.set_stopped(stop);
        })
    }
}

fn expect(right: usize, found: usize, shape: &[i64]) -> Result<(), EngineError> {
    match found == right {
        true => Ok(()),
        false => Err(EngineError::Run(format!(
            "the output is {shape:?}, {found} numbers; {right} would be right"
        ))),
    }
}

fn failed(error: ort::Error) -> EngineError {
    EngineError::Run(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        Backend, EngineOptions,
        ort::{Plan, prepare},
        walk,
    };

    /// A shipped network on the processor, where ONNX Runtime's library is here.
    fn plan() -> Option<Plan> {
        if crate::find_library(None).is_none() {
            println!("skipped: no library of ONNX Runtime here");
            return None;
        }
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/fashion");
        let bytes = fs::read(models.join("s1/model.onnx")).unwrap().into();
        let graph = walk::read(&bytes, &Default::default()).unwrap();
        Some(prepare(&bytes, graph, &EngineOptions::new(Backend::Ort)).unwrap())
    }

    /// On a device the input lies in memory of its allocator's; here it is the processor's, all the rest is the same.
    #[test]
    fn input_from_an_allocator_is_read_like_any_other() {
        let Some(plan) = plan() else { return };
        let network = || {
            let session = plan.recipe.session(plan.runtime).ok().unwrap();
            Network::new(session, Device::Cpu, Arc::clone(&plan.signature), 4).unwrap()
        };
        let (mut plain, mut other) = (network(), network());
        assert!(matches!(plain.input, Host::Plain(_)));
        let allocator = ort::memory::Allocator::default();
        other.input = Host::allocated(&allocator, 4 * plan.signature.row_len).unwrap();
        assert!(other.input.numbers().iter().all(|number| *number == 0.0));
        for rows in [4, 1, 3] {
            for network in [&mut plain, &mut other] {
                for (at, number) in network.input(rows).iter_mut().enumerate() {
                    *number = ((at + rows) % 17) as f32 / 16.0;
                }
            }
            assert_eq!(plain.run(rows).unwrap(), other.run(rows).unwrap());
        }
    }

    /// A session that isn't on the device has no such allocator.
    #[test]
    fn where_the_device_has_no_allocator_memory_is_plain() {
        let Some(plan) = plan() else { return };
        let session = plan.recipe.session(plan.runtime).ok().unwrap();
        let host = Host::new(&session, Device::Cuda(0), 12);
        assert!(matches!(&host, Host::Plain(numbers) if numbers.len() == 12));
    }
}
