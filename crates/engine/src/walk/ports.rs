//! The choice of input and output, and what makes them an image classifier's.

use crate::{
    Batch, Dim, ElementType, EngineError, Port, Signature,
    onnx::{GraphProto, ModelProto, TensorShapeProto, ValueInfoProto, dimension},
    walk::softmax,
};

/// More numbers per row than this is no picture (a 16384×16384 RGB picture has three times as many).
const MAX_ROW: usize = 1 << 28;

/// What the graph in `model` takes and gives; `named` chooses an output.
pub(super) fn signature(model: &ModelProto, named: Option<&str>) -> Result<Signature, EngineError> {
    let default = GraphProto::default();
    let graph = model.graph.as_ref().unwrap_or(&default);
    let (input, row_len) = input(graph).map_err(EngineError::Unsuitable)?;
    let (output, classes) = output(graph, named).map_err(EngineError::Unsuitable)?;
    Ok(Signature {
        batch: batch(&input, &output).map_err(EngineError::Unsuitable)?,
        row_len,
        classes,
        opset: opset(model).map_err(EngineError::Unsuitable)?,
        softmax: softmax::ends_in(graph, &output.name),
        input,
        output,
    })
}

fn input(graph: &GraphProto) -> Result<(Port, usize), String> {
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
    let port = port(value).map_err(|why| format!("input {why}"))?;
    if !(2..=4).contains(&port.dims.len()) {
        return Err(format!(
            "input `{}` is {}; [N,pixels], [N,height,width], [N,C,H,W] or [N,H,W,C] is right",
            port.name,
            port.shape()
        ));
    }
    let row = row_len(&port).ok_or_else(|| {
        format!(
            "input `{}` is {}; every dimension but the first must be a number from 1 on \
             (python -m onnxruntime.tools.make_dynamic_shape_fixed sets them)",
            port.name,
            port.shape()
        )
    })?;
    Ok((port, row))
}

fn output(graph: &GraphProto, named: Option<&str>) -> Result<(Port, usize), String> {
    let all: Vec<&ValueInfoProto> = graph.output.iter().collect();
    match named {
        Some(name) => {
            let value = all.iter().find(|value| value.name == name);
            scores(value.ok_or_else(|| format!("it has no output `{name}`, but {}", list(&all)))?)
        }
        None => match &all[..] {
            [] => Err("it has no output; one of [N,classes] is right".to_owned()),
            [value] => scores(value),
            _ => all
                .iter()
                .find_map(|value| scores(value).ok())
                .ok_or_else(|| {
                    format!(
                        "outputs found: {}; one of [N,classes] or [N,classes,1,1] is right",
                        list(&all)
                    )
                }),
        },
    }
}

/// `[N,K]` with any number of ones behind it.
fn scores(value: &ValueInfoProto) -> Result<(Port, usize), String> {
    let port = port(value).map_err(|why| format!("output {why}"))?;
    let rest_is_one = || port.dims[2..].iter().all(|dim| *dim == Dim::Fixed(1));
    match port.dims.get(1) {
        Some(&Dim::Fixed(classes)) if (2..=MAX_ROW).contains(&classes) && rest_is_one() => {
            Ok((port, classes))
        }
        _ => Err(format!(
            "output `{}` is {}; [N,classes] or [N,classes,1,1] with two classes or more is right",
            port.name,
            port.shape()
        )),
    }
}

fn port(value: &ValueInfoProto) -> Result<Port, String> {
    let name = &value.name;
    let tensor = value
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let tensor = tensor
        .ok_or_else(|| format!("`{name}` is no tensor, or has no type; a float tensor is right"))?;
    let element = match tensor.elem_type {
        1 => ElementType::F32,
        10 => ElementType::F16,
        other => {
            let found = element_name(other);
            return Err(format!(
                "`{name}` holds {found}; float32 or float16 is right"
            ));
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

fn row_len(port: &Port) -> Option<usize> {
    port.dims[1..]
        .iter()
        .try_fold(1_usize, |product, dim| match dim {
            Dim::Fixed(n) if *n > 0 => product
                .checked_mul(*n)
                .filter(|product| *product <= MAX_ROW),
            _ => None,
        })
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
    let one = |value: &&ValueInfoProto| match port(value) {
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
