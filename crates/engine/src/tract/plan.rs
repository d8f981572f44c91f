//! From the graph to an optimised plan, and for which batch.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;
use tract_onnx::{pb::ModelProto, prelude::*};

use super::{unquantise, widen};
use crate::{Backend, ElementType, EngineError, Graph, Signature};

/// A plan, and how many rows it takes at once: any number where that is `None`.
pub(super) struct Planned {
    pub(super) plan: Arc<TypedSimplePlan>,
    pub(super) rows: Option<usize>,
}

/// Optimises the graph for the number of rows that suits it.
///
/// Convolutions run 1.2 to 2.9 times faster one row at a time than with a symbol for the batch. The other graphs get
/// the symbol, unless they don't load with it (a shape that is computed from the batch, say).
pub(super) fn plan(bytes: &Bytes, graph: &Graph) -> Result<Planned, EngineError> {
    refuse_unknown(graph)?;
    let at = |rows| {
        caught(|| optimised(bytes, &graph.signature, rows)).map(|plan| Planned { plan, rows })
    };
    match graph.signature.chunk() {
        Some(n) => at(Some(n)),
        None if graph.convolves() => at(Some(1)),
        None => at(None).or_else(|_| at(Some(1))),
    }
}

fn refuse_unknown(graph: &Graph) -> Result<(), EngineError> {
    let known = &tract_onnx::onnx().op_register.0;
    // tract looks operators up without their domain.
    let unknown = |name: &&String| !known.contains_key(name.rsplit('.').next().unwrap_or_default());
    match graph.operators.iter().find(unknown) {
        None => Ok(()),
        Some(operator) => Err(EngineError::Operator {
            backend: Backend::Tract,
            operator: operator.clone(),
            detail: "it isn't implemented; ONNX Runtime may have it".to_owned(),
        }),
    }
}

fn optimised(
    bytes: &Bytes,
    signature: &Signature,
    rows: Option<usize>,
) -> TractResult<Arc<TypedSimplePlan>> {
    let mut proto = ModelProto::decode(bytes.clone())?;
    if let Some(graph) = &mut proto.graph {
        widen::graph(graph);
        unquantise::softmax(graph);
    }
    // The shapes noted between nodes are hints that may contradict the batch set here; tract infers them itself.
    let mut model = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .model_for_proto_model(&proto)?;
    let batch: TDim = match rows {
        Some(n) => n.to_dim(),
        None => model.symbols.sym("batch").into(),
    };
    let rest = signature.input_shape(1);
    let shape: TVec<TDim> = std::iter::once(batch)
        .chain(rest[1..].iter().map(|n| n.to_dim()))
        .collect();
    let element = match signature.input.element {
        ElementType::F32 | ElementType::F16 => DatumType::F32,
        ElementType::U8 => DatumType::U8,
    };
    model.set_input_fact(0, InferenceFact::dt_shape(element, shape))?;
    model.select_outputs_by_name([&signature.output.name])?;
    model.into_optimized()?.into_runnable()
}

/// tract asserts in places; a graph must not end the process.
fn caught<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, EngineError> {
    let refused = |detail: String| EngineError::Load {
        backend: Backend::Tract,
        detail,
    };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| refused(format!("{error:#}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(refused(
                text.unwrap_or("it panicked over the graph").to_owned(),
            ))
        }
    }
}
