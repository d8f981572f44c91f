//! Checks that manifest and graph agree, before anything runs.

use stillhouse_engine::{
    Activation, Dim, ElementType, EngineOptions, Hints, Signature, SingleScore,
};

use stillhouse_store::manifest::{Element, Manifest, OutputKind};

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

/// The options of an engine for the network of this manifest: it says what its graph may leave open.
pub fn options(manifest: &Manifest, engine: &EngineOptions) -> EngineOptions {
    let one_row = manifest.input.one_row_at_a_time;
    EngineOptions {
        hints: Hints {
            output: Some(manifest.output.name.clone()),
            row_shape: Some(manifest.transform.tensor_shape()),
            classes: Some(manifest.output.classes),
            single_score: Some(single_score(manifest.output.kind)),
            one_row: one_row.then(|| "its manifest says so".into()),
        },
        ..engine.clone()
    }
}

/// What the one number is of a network of this kind that gives one for each picture.
pub fn single_score(kind: OutputKind) -> SingleScore {
    match kind {
        OutputKind::Logits | OutputKind::IndependentLogits => SingleScore::Logit,
        OutputKind::Probabilities | OutputKind::Independent => SingleScore::Probability,
    }
}

/// The manifest's word for an element type of the graph.
pub fn element(element: ElementType) -> Element {
    match element {
        ElementType::F32 => Element::F32,
        ElementType::F16 => Element::F16,
        ElementType::U8 => Element::U8,
    }
}

/// Compares all that both of them state.
///
/// # Errors
/// The first contradiction.
pub fn check(manifest: &Manifest, signature: &Signature) -> Result<(), ContractError> {
    let element = element(signature.input.element);
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
    same("output.classes", manifest.output.classes, signature.classes)?;
    kind(manifest.output.kind, signature).map_err(|graph| ContractError {
        key: "output.kind",
        manifest: manifest.output.kind.as_str().to_owned(),
        graph,
    })
}

/// Whether scores can be of this kind that come out of this graph's last activation: no softmax may follow a sigmoid, and
/// no sigmoid anything.
///
/// # Errors
/// What the graph has, and what would be right.
pub fn kind(kind: OutputKind, signature: &Signature) -> Result<(), String> {
    use OutputKind::{Independent, IndependentLogits, Logits, Probabilities};
    let single = signature.single_score.is_some();
    let graph = match (signature.activation, kind) {
        (_, Independent | IndependentLogits) if single => {
            "one score for two exclusive classes: probabilities behind a sigmoid, else logits, is right"
        }
        (Some(Activation::Sigmoid), Logits) if single => {
            "a sigmoid at the end of it: probabilities is right"
        }
        (Some(Activation::Sigmoid), Logits | Probabilities | IndependentLogits) if !single => {
            "a sigmoid for each class at the end of it: independent is right"
        }
        (Some(Activation::Softmax), Independent | IndependentLogits) => {
            "a softmax over all classes at the end of it: probabilities is right"
        }
        _ => return Ok(()),
    };
    Err(graph.to_owned())
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
