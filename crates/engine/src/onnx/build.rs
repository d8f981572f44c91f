//! Short ways to write graphs down: nodes, weights, ports, whole models.

use bytes::Bytes;
use prost::Message;

use super::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, dimension,
};
use crate::ElementType;

impl ElementType {
    /// The number that TensorProto.DataType gives it.
    pub fn data_type(self) -> i32 {
        match self {
            Self::F32 => 1,
            Self::F16 => 10,
            Self::U8 => 2,
        }
    }
}

/// A node of the default operator set; `inputs` and `outputs` are names.
pub fn node(op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto {
        op_type: op_type.to_owned(),
        name: outputs
            .first()
            .map_or_else(String::new, |name| format!("{op_type}_{name}")),
        input: owned(inputs),
        output: owned(outputs),
        ..NodeProto::default()
    }
}

impl NodeProto {
    /// Adds an attribute that is one integer.
    #[must_use]
    pub fn with_int(mut self, name: &str, value: i64) -> Self {
        self.attribute.push(AttributeProto {
            name: name.to_owned(),
            i: value,
            r#type: 2,
            ..AttributeProto::default()
        });
        self
    }

    /// Adds an attribute that is a list of integers.
    #[must_use]
    pub fn with_ints(mut self, name: &str, values: &[i64]) -> Self {
        let (name, ints) = (name.to_owned(), values.to_vec());
        self.attribute.push(AttributeProto {
            name,
            ints,
            r#type: 7,
            ..AttributeProto::default()
        });
        self
    }
}

/// A float32 weight, row-major.
pub fn weights(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    let raw = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(name, 1, dims, raw)
}

/// A float16 weight, row-major, rounded from `values`.
pub fn half_weights(name: &str, dims: &[usize], values: &[f32]) -> TensorProto {
    let raw = values
        .iter()
        .flat_map(|value| half::f16::from_f32(*value).to_le_bytes())
        .collect();
    tensor(name, 10, dims, raw)
}

/// An int64 tensor of rank 1, as Reshape wants it for its shape.
pub fn integers(name: &str, values: &[i64]) -> TensorProto {
    let raw = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(name, 7, &[values.len()], raw)
}

/// A tensor of any type (`data_type` as TensorProto.DataType numbers them) from its bytes, little-endian, row-major.
pub fn tensor(name: &str, data_type: i32, dims: &[usize], raw: Vec<u8>) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type,
        dims: dims.iter().map(|n| *n as i64).collect(),
        raw_data: raw.into(),
        ..TensorProto::default()
    }
}

/// A graph's input or output. `dims` as people write them, `N,1,28,28`: what parses as a number is one, nothing
/// between two commas is unknown, anything else is a symbol.
pub fn port(name: &str, element: ElementType, dims: &str) -> ValueInfoProto {
    let dim = |text: &str| match text.trim() {
        "" => None,
        text => Some(text.parse().map_or_else(
            |_| dimension::Value::DimParam(text.to_owned()),
            dimension::Value::DimValue,
        )),
    };
    let dim = dims
        .split(',')
        .map(|text| DimensionProto { value: dim(text) })
        .collect();
    let tensor = TensorTypeProto {
        elem_type: element.data_type(),
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(tensor),
        }),
    }
}

/// A model of one graph at operator set `opset` (IR version 8).
pub fn model(opset: i64, graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        producer_name: "stillhouse".to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: opset,
        }],
        ..ModelProto::default()
    }
}

impl ModelProto {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Bytes {
        self.encode_to_vec().into()
    }
}
