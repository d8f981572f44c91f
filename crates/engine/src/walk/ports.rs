//! The input, the batch, and what makes a port an image classifier's.

use std::sync::Arc;

use super::{
    Hints,
    scores::{self, Scores},
};
use crate::{
    Batch, Dim, ElementType, EngineError, Port, Signature,
    onnx::{GraphProto, ModelProto, TensorShapeProto, ValueInfoProto, dimension},
};

/// More numbers per row than this is no picture (a 16384×16384 RGB picture has three times as many).
pub(super) const MAX_ROW: usize = 1 << 28;

/// What the graph in `model` takes and gives, and why its rows can't share a run, where its shapes say so.
pub(super) fn signature(
    model: &ModelProto,
    hints: &Hints,
) -> Result<(Signature, Option<Arc<str>>), EngineError> {
    read(model, hints).map_err(EngineError::Unsuitable)
}

/// The graph's input, with its symbols.
pub(super) fn open_input(model: &ModelProto) -> Result<Port, EngineError> {
    let graph = model.graph.as_ref();
    input(graph.unwrap_or(&GraphProto::default())).map_err(EngineError::Unsuitable)
}

fn read(model: &ModelProto, hints: &Hints) -> Result<(Signature, Option<Arc<str>>), String> {
    let default = GraphProto::default();
    let graph = model.graph.as_ref().unwrap_or(&default);
    let mut input = input(graph)?;
    let row_len = fill(&mut input, hints)?;
    let Scores {
        port: output,
        classes,
        single,
        activation,
        has_batch,
    } = scores::scores(graph, &input, hints)?;
    let batch = match has_batch {
        true => batch(&input, &output)?,
        false => batch(&input, &input)?,
    };
    let one_row = format!("its output is {}, without a batch", output.shape());
    let signature = Signature {
        batch,
        row_len,
        classes,
        single_score: single,
        opset: opset(model)?,
        activation,
        input,
        output,
    };
    Ok((signature, (!has_batch).then(|| one_row.into())))
}

fn input(graph: &GraphProto) -> Result<Port, String> {
    let sparse = graph
        .sparse_initializer
        .iter()
        .filter_map(|tensor| tensor.values.as_ref());
    let weights: std::collections::HashSet<&str> = graph
        .initializer
        .iter()
        .chain(sparse)
        .map(|tensor| tensor.name.as_str())
        .collect();
    let inputs: Vec<&ValueInfoProto> = graph
        .input
        .iter()
        .filter(|value| !weights.contains(value.name.as_str()))
        .collect();
    let [value] = inputs[..] else {
        let found = if inputs.is_empty() {
            "none".to_owned()
        } else {
            list(&inputs)
        };
        return Err(format!(
            "inputs found: {found}; exactly one is right, the image tensor"
        ));
    };
    let port = port(value, true).map_err(|why| format!("input {why}"))?;
    if !(2..=4).contains(&port.dims.len()) {
        return Err(format!(
            "input `{}` is {}; [N,pixels], [N,height,width], [N,C,H,W] or [N,H,W,C] is right",
            port.name,
            port.shape()
        ));
    }
    Ok(port)
}

/// Fills in the input's symbols behind the batch and returns the numbers per row.
fn fill(input: &mut Port, hints: &Hints) -> Result<usize, String> {
    let product = |row: &[usize]| {
        row.iter().try_fold(1_usize, |product, size| {
            let product = product.checked_mul(*size)?;
            (*size > 0 && product <= MAX_ROW).then_some(product)
        })
    };
    let row = hints.row(&input.dims[1..]);
    let known = row.and_then(|row| Some((product(&row)?, row)));
    let (row_len, row) = known.ok_or_else(|| {
        format!(
            "input `{}` is {}; every dimension but the first must be a number from 1 on: give the picture's size where \
             the graph leaves it open (--size WIDTHxHEIGHT)",
            input.name,
            input.shape()
        )
    })?;
    for (dim, size) in input.dims[1..].iter_mut().zip(row) {
        *dim = Dim::Fixed(size);
    }
    Ok(row_len)
}

/// A port as it is declared; bytes are taken where they may be a picture's.
pub(super) fn port(value: &ValueInfoProto, is_picture: bool) -> Result<Port, String> {
    let name = &value.name;
    let right = match is_picture {
        true => "float32, float16 or uint8 is right",
        false => "float32 or float16 is right",
    };
    let tensor = value
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| {
        format!(
            "`{name}` is no tensor (a sequence or a map), or has no type; a float tensor is right"
        )
    })?;
    let element = match tensor.elem_type {
        1 => ElementType::F32,
        10 => ElementType::F16,
        2 if is_picture => ElementType::U8,
        other => {
            let found = element_name(other);
            return Err(format!("`{name}` holds {found}; {right}"));
        }
    };
    let shape = tensor.shape.as_ref();
    let shape = shape.ok_or_else(|| {
        format!("`{name}` has no shape; onnx.shape_inference.infer_shapes adds what is missing")
    })?;
    Ok(Port {
        name: name.clone(),
        dims: dims(shape),
        element,
    })
}

/// A number below zero means "unknown" in the wild, as nothing at all does.
fn dims(shape: &TensorShapeProto) -> Vec<Dim> {
    let dim = |value: &Option<dimension::Value>| match value {
        Some(dimension::Value::DimValue(n)) => usize::try_from(*n).ok().map(Dim::Fixed),
        Some(dimension::Value::DimParam(name)) if !name.is_empty() => {
            Some(Dim::Symbol(name.clone()))
        }
        _ => None,
    };
    shape
        .dim
        .iter()
        .map(|d| dim(&d.value).unwrap_or_else(|| Dim::Symbol("?".to_owned())))
        .collect()
}

/// The input decides; a number on the output alone binds too, since it indicates a reshape to that many rows.
fn batch(input: &Port, output: &Port) -> Result<Batch, String> {
    let wrong = || {
        format!(
            "input `{}` is {} but output `{}` is {}; the first dimension is the batch and must agree, from 1 on",
            input.name,
            input.shape(),
            output.name,
            output.shape()
        )
    };
    match (&input.dims[0], &output.dims[0]) {
        (Dim::Fixed(0), _) | (_, Dim::Fixed(0)) => Err(wrong()),
        (Dim::Fixed(a), Dim::Fixed(b)) if a != b => Err(wrong()),
        (Dim::Fixed(n), _) | (_, Dim::Fixed(n)) => Ok(Batch::Fixed(*n)),
        (Dim::Symbol(_), Dim::Symbol(_)) => Ok(Batch::Dynamic),
    }
}

fn opset(model: &ModelProto) -> Result<i64, String> {
    let default = model
        .opset_import
        .iter()
        .find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
    default
        .map(|set| set.version)
        .ok_or_else(|| "it names no version of the ONNX operator set".to_owned())
}

fn list(values: &[&ValueInfoProto]) -> String {
    let one = |value: &&ValueInfoProto| match port(value, true) {
        Ok(port) => format!("`{}` {}", port.name, port.shape()),
        Err(_) => format!("`{}`", value.name),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// TensorProto.DataType in words.
fn element_name(data_type: i32) -> String {
    let name = match data_type {
        2 => "uint8",
        3 => "int8",
        6 => "int32",
        7 => "int64",
        8 => "strings",
        9 => "booleans",
        11 => "float64",
        16 => "bfloat16",
        other => return format!("elements of ONNX type {other}"),
    };
    name.to_owned()
}
