//! Checks that manifest and graph agree, before anything runs.

use stillhouse_engine::{Dim, ElementType, Signature};

use stillhouse_store::manifest::{Element, Manifest};

/// Manifest and graph contradict each other; both values are named.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the manifest says {key} = {manifest}, the graph says {graph}")]
pub struct ContractError {
    /// The manifest's key.
    pub key: &'static str,
    /// Its value there.
    pub manifest: String,
    /// What the graph has.
    pub graph: String,
}

/// Compares all that both of them state.
///
/// # Errors
/// The first contradiction.
pub fn check(manifest: &Manifest, signature: &Signature) -> Result<(), ContractError> {
    let element = match signature.input.element {
        ElementType::F32 => Element::F32,
        ElementType::F16 => Element::F16,
    };
    same("input.name", &manifest.input.name, &signature.input.name)?;
    same(
        "input.element",
        format!("{:?}", manifest.input.element).to_lowercase(),
        format!("{element:?}").to_lowercase(),
    )?;
    let transform = &manifest.transform;
    let written = transform.tensor_shape();
    let graph = row_shape(signature);
    // A flat row, or a gray picture without its channel, is the same numbers in the same order.
    let flat = graph.len() == 1 && graph[0] == transform.row_len();
    let plain = |shape: &[usize]| -> Vec<usize> {
        shape.iter().copied().filter(|&size| size != 1).collect()
    };
    if !flat && plain(&written) != plain(&graph) {
        return Err(ContractError {
            key: "transform (layout, color, width, height)",
            manifest: format!("{written:?}"),
            graph: format!("{graph:?}"),
        });
    }
    same("output.name", &manifest.output.name, &signature.output.name)?;
    same("output.classes", manifest.output.classes, signature.classes)
}

/// The graph's input without its batch dimension; the walk has refused symbols there.
fn row_shape(signature: &Signature) -> Vec<usize> {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size,
        Dim::Symbol(_) => 0,
    };
    signature.input.dims.iter().skip(1).map(size).collect()
}

fn same(
    key: &'static str,
    manifest: impl ToString,
    graph: impl ToString,
) -> Result<(), ContractError> {
    let (manifest, graph) = (manifest.to_string(), graph.to_string());
    if manifest == graph {
        Ok(())
    } else {
        Err(ContractError {
            key,
            manifest,
            graph,
        })
    }
}
