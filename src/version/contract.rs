//! Manifest against graph: both must tell the same story before anything runs.

use stillhouse_engine::{ElementType, Signature};

use crate::store::manifest::{Element, Manifest};

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
    if transform.row_len() != signature.row_len {
        return Err(ContractError {
            key: "transform.width × height × channels",
            manifest: format!(
                "{} × {} × {} = {}",
                transform.width,
                transform.height,
                transform.color.channels(),
                transform.row_len()
            ),
            graph: format!("{} = {}", signature.input.shape(), signature.row_len),
        });
    }
    same("output.name", &manifest.output.name, &signature.output.name)?;
    same("output.classes", manifest.output.classes, signature.classes)
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
