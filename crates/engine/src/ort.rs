//! ONNX Runtime, through ort: one session per worker, built on the worker's own thread.
//!
//! | module    | holds                                                                   |
//! |-----------|-------------------------------------------------------------------------|
//! | `runtime` | the shared library and its environment, once per process                 |
//! | `session` | how a session is set up: threads, device                                 |
//! | `arena`   | when a session gives memory back                                         |
//! | `host`    | the memory of this machine that a session reads its input from           |
//! | `stoppable`| the options of a run, with which another thread can end it              |
//! | `network` | the engine: buffers, batches, conversions                                |

mod arena;
mod host;
mod network;
mod runtime;
mod session;
mod stoppable;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::{Backend, Blueprint, Device, Engine, EngineError, EngineOptions, Graph, Signature};
use network::Network;
use runtime::Runtime;
use session::{Failure, Recipe};

/// A graph that ONNX Runtime has accepted.
pub(crate) struct Plan {
    runtime: &'static Runtime,
    signature: Arc<Signature>,
    recipe: Recipe,
    /// Why the device asked for isn't the one in use.
    fallen_back: Option<(Device, String)>,
    /// The session that proved the graph loads; the first worker takes it.
    proof: Mutex<Option<::ort::session::Session>>,
}

/// Loads the library if need be and proves on one session that graph and device are right.
pub(crate) fn prepare(
    bytes: &Bytes,
    graph: Graph,
    options: &EngineOptions,
) -> Result<Plan, EngineError> {
    let runtime = Runtime::load(options.library.as_deref())?;
    let mut recipe = Recipe::new(bytes.clone(), options);
    let (proof, fallen_back) = match recipe.session(runtime) {
        Ok(session) => (session, None),
        Err(failure) if options.device == Device::Cpu => return Err(failure.against_graph()),
        Err(failure) => {
            // A try on the processor distinguishes an invalid graph from an unavailable device.
            recipe.device = Device::Cpu;
            let session = recipe.session(runtime).map_err(Failure::against_graph)?;
            match options.fallback {
                true => (session, Some((options.device, failure.detail()))),
                false => {
                    return Err(EngineError::Device {
                        device: options.device,
                        detail: failure.detail(),
                    });
                }
            }
        }
    };
    Ok(Plan {
        runtime,
        signature: Arc::new(graph.signature),
        recipe,
        fallen_back,
        proof: Mutex::new(Some(proof)),
    })
}

impl Blueprint for Plan {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn describe(&self) -> String {
        let batch = self.signature.rows_in_words();
        let fallback = match &self.fallen_back {
            Some((device, why)) => format!(" because {device} can't be had ({why})"),
            None => String::new(),
        };
        format!(
            "{} {} on {}{fallback}{batch}",
            Backend::Ort,
            self.runtime.version,
            self.recipe.device
        )
    }

    fn batch_limit(&self) -> Option<usize> {
        self.signature.chunk()
    }

    fn build(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        let proof = self
            .proof
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let session = match proof {
            Some(session) => session,
            None => self
                .recipe
                .session(self.runtime)
                .map_err(Failure::against_graph)?,
        };
        Ok(Box::new(Network::new(
            session,
            self.recipe.device,
            Arc::clone(&self.signature),
            max_batch,
        )?))
    }
}
