//! Writes ONNX graphs with the few operators that these networks need, with a dynamic batch dimension `N`.

use bytes::Bytes;
use prost::Message;
use stillhouse_engine::onnx::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, dimension,
};

/// The graph's input.
pub const INPUT: &str = "image";
/// The graph's output: logits.
pub const OUTPUT: &str = "logits";

/// Version 8 of the format with operator set 17, which all recent engines read.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;
const FLOAT: i32 = 1;
const INT64: i32 = 7;

/// A graph under construction; values are identified by their names.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
}

/// A convolution with square kernel and padding.
#[derive(Clone, Debug)]
pub struct Conv {
    /// `[out, in / groups, kernel, kernel]`, row-major.
    pub weight: Vec<f32>,
    /// One number per output channel.
    pub bias: Vec<f32>,
    /// The weight's dimensions.
    pub dims: [usize; 4],
    /// Stride in both directions.
    pub stride: usize,
    /// Channel groups.
    pub groups: usize,
}

impl Graph {
    /// An empty graph; its first value is [`INPUT`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the node `op(inputs)` and returns the name of its output.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = format!("{}_{}", op.to_lowercase(), self.nodes.len());
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            attribute: attributes,
            ..NodeProto::default()
        });
        name
    }

    /// Adds a constant of 32-bit floats and returns its name.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, dims, FLOAT, bytes)
    }

    /// Adds a constant of 64-bit integers and returns its name.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, &[values.len()], INT64, bytes)
    }

    fn constant(&mut self, name: &str, dims: &[usize], data_type: i32, bytes: Vec<u8>) -> String {
        let name = format!("{name}_{}", self.weights.len());
        self.weights.push(TensorProto {
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type,
            name: name.clone(),
            raw_data: Bytes::from(bytes),
            ..TensorProto::default()
        });
        name
    }

    /// A convolution that keeps the picture's size at stride 1.
    pub fn conv(&mut self, input: &str, conv: &Conv) -> String {
        let [outputs, _, kernel, _] = conv.dims;
        let weight = self.floats("weight", &conv.dims, &conv.weight);
        let bias = self.floats("bias", &[outputs], &conv.bias);
        let (kernel, stride, pad) = (kernel as i64, conv.stride as i64, kernel as i64 / 2);
        let attributes = vec![
            ints("kernel_shape", vec![kernel; 2]),
            ints("strides", vec![stride; 2]),
            ints("pads", vec![pad; 4]),
            ints("dilations", vec![1; 2]),
            int("group", conv.groups as i64),
        ];
        self.node("Conv", &[input, &weight, &bias], attributes)
    }

    /// `input · weight + bias`, with `weight` of `[inputs, outputs]`.
    pub fn linear(
        &mut self,
        input: &str,
        dims: [usize; 2],
        weight: &[f32],
        bias: &[f32],
    ) -> String {
        let weight = self.floats("weight", &dims, weight);
        let bias = self.floats("bias", &[dims[1]], bias);
        self.node("Gemm", &[input, &weight, &bias], Vec::new())
    }

    /// Flattens all dimensions after the batch dimension.
    pub fn flatten(&mut self, input: &str) -> String {
        self.node("Flatten", &[input], vec![int("axis", 1)])
    }

    /// The complete file with input `[N, picture]` and output `[N, classes]`, which is the value `output`.
    pub fn finish(
        mut self,
        name: &str,
        picture: [usize; 3],
        classes: usize,
        output: &str,
    ) -> Vec<u8> {
        self.nodes.push(NodeProto {
            input: vec![output.to_owned()],
            output: vec![OUTPUT.to_owned()],
            name: OUTPUT.to_owned(),
            op_type: "Identity".to_owned(),
            ..NodeProto::default()
        });
        self.drop_identity(output);
        let graph = GraphProto {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.weights,
            input: vec![value(INPUT, &picture)],
            output: vec![value(OUTPUT, &[classes])],
            ..GraphProto::default()
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: env!("CARGO_PKG_NAME").to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            ..ModelProto::default()
        };
        model.encode_to_vec()
    }

    /// Renames the value `output` to [`OUTPUT`], unless other nodes read it, too.
    fn drop_identity(&mut self, output: &str) {
        let readers = self
            .nodes
            .iter()
            .filter(|node| node.input.iter().any(|input| input == output))
            .count();
        if readers == 1
            && let Some(maker) = self.nodes.iter_mut().find(|node| node.output[0] == output)
        {
            maker.output[0] = OUTPUT.to_owned();
            self.nodes.pop();
        }
    }
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: value,
        r#type: 2,
        ..AttributeProto::default()
    }
}

/// An attribute of several integers.
pub fn ints(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values,
        r#type: 7,
        ..AttributeProto::default()
    }
}

fn value(name: &str, row: &[usize]) -> ValueInfoProto {
    let symbol = DimensionProto {
        value: Some(dimension::Value::DimParam("N".to_owned())),
    };
    let fixed = |&dim: &usize| DimensionProto {
        value: Some(dimension::Value::DimValue(dim as i64)),
    };
    let shape = TensorShapeProto {
        dim: std::iter::once(symbol)
            .chain(row.iter().map(fixed))
            .collect(),
    };
    let tensor = stillhouse_engine::onnx::TensorTypeProto {
        elem_type: FLOAT,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor),
        }),
    }
}
