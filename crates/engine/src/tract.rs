//! tract, compiled in: one optimised plan shared by all workers.
//!
//! | module       | holds                                                     |
//! |--------------|-----------------------------------------------------------|
//! | `plan`       | from the graph to an optimised plan, and for which batch  |
//! | `widen`      | float16 graphs as float32                                 |
//! | `unquantise` | probabilities as floats, where tract's integers are wrong |
//! | `network`    | the engine: buffers and the loop over rows                |

mod network;
mod plan;
mod unquantise;
mod widen;

use std::sync::Arc;

use bytes::Bytes;

use crate::{Backend, Blueprint, Device, Engine, EngineError, EngineOptions, Graph, Signature};
use network::Network;
use plan::Planned;

/// The version of tract that this crate pins.
const VERSION: &str = "0.23.9";

/// A graph that tract has accepted.
pub(crate) struct Plan {
    signature: Arc<Signature>,
    planned: Planned,
    fallen_back: Option<Device>,
}

/// Optimises the graph for as many rows as suits it.
pub(crate) fn prepare(
    bytes: &Bytes,
    graph: Graph,
    options: &EngineOptions,
) -> Result<Plan, EngineError> {
    let fallen_back = match (options.device, options.fallback) {
        (Device::Cpu, _) => None,
        (device, true) => Some(device),
        (device, false) => {
            return Err(EngineError::Device {
                device,
                detail: "tract knows only the processor".to_owned(),
            });
        }
    };
    let planned = plan::plan(bytes, &graph)?;
    Ok(Plan {
        signature: Arc::new(graph.signature),
        planned,
        fallen_back,
    })
}

impl Blueprint for Plan {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn describe(&self) -> String {
        let fallback = match self.fallen_back {
            Some(device) => format!(" because tract doesn't know {device}"),
            None => String::new(),
        };
        let batch = match (self.signature.chunk(), self.planned.rows) {
            (None, Some(_)) => ", one row at a time".to_owned(),
            _ => self.signature.rows_in_words(),
        };
        format!(
            "{} {VERSION} on {}{fallback}{batch}",
            Backend::Tract,
            Device::Cpu
        )
    }

    fn batch_limit(&self) -> Option<usize> {
        self.planned.rows
    }

    fn build(&self, max_batch: usize) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(Network::new(
            &self.planned,
            Arc::clone(&self.signature),
            max_batch,
        )?))
    }
}
