//! Turns a graph of float16 into the same graph of float32.
//!
//! Processors compute in f32 anyway, and tract can't load some operators in f16 (Gemm, for one). The weights keep
//! their rounded values; what is computed from them is rounded less than the graph asks for.

use half::f16;
use tract_onnx::pb::{AttributeProto, GraphProto, TensorProto, TypeProto, type_proto};

/// TensorProto.DataType
const FLOAT: i32 = 1;
const FLOAT16: i32 = 10;

/// Widens weights, constants, casts and ports, in subgraphs too.
pub(super) fn graph(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(tensor);
    graph
        .sparse_initializer
        .iter_mut()
        .flat_map(|sparse| &mut sparse.values)
        .for_each(tensor);
    graph
        .input
        .iter_mut()
        .chain(&mut graph.output)
        .flat_map(|value| &mut value.r#type)
        .for_each(port);
    graph
        .node
        .iter_mut()
        .flat_map(|node| &mut node.attribute)
        .for_each(attribute);
}

fn attribute(attribute: &mut AttributeProto) {
    attribute
        .t
        .iter_mut()
        .chain(&mut attribute.tensors)
        .for_each(tensor);
    attribute
        .g
        .iter_mut()
        .chain(&mut attribute.graphs)
        .for_each(graph);
    // Cast's target, and the type that generators and dequantisers give.
    if matches!(attribute.name.as_str(), "to" | "dtype" | "output_dtype")
        && attribute.i == i64::from(FLOAT16)
    {
        attribute.i = FLOAT.into();
    }
}

fn port(kind: &mut TypeProto) {
    if let Some(type_proto::Value::TensorType(tensor)) = &mut kind.value
        && tensor.elem_type == FLOAT16
    {
        tensor.elem_type = FLOAT;
    }
}

/// float16 comes as raw bytes or, two of four bytes used, as int32.
fn tensor(tensor: &mut TensorProto) {
    if tensor.data_type != FLOAT16 {
        return;
    }
    tensor.data_type = FLOAT;
    if tensor.raw_data.is_empty() {
        let bits = std::mem::take(&mut tensor.int32_data);
        tensor.float_data = bits
            .iter()
            .map(|bits| f16::from_bits(*bits as u16).to_f32())
            .collect();
    } else {
        let (pairs, _) = tensor.raw_data.as_chunks::<2>();
        tensor.raw_data = pairs
            .iter()
            .flat_map(|pair| f16::from_le_bytes(*pair).to_f32().to_le_bytes())
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widened(before: TensorProto) -> TensorProto {
        let mut after = TensorProto {
            data_type: FLOAT16,
            ..before
        };
        tensor(&mut after);
        assert_eq!(after.data_type, FLOAT);
        after
    }

    #[test]
    fn both_forms_of_half_weights_keep_their_values() {
        let values = [1.5_f32, -0.25, 65504.0, f32::NEG_INFINITY];
        let bits = values.map(|value| f16::from_f32(value).to_bits());
        let raw_data = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let raw = widened(TensorProto {
            raw_data,
            ..TensorProto::default()
        });
        assert_eq!(
            raw.raw_data,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect::<Vec<u8>>()
        );
        let int32_data = bits.iter().map(|bits| i32::from(*bits)).collect();
        let ints = widened(TensorProto {
            int32_data,
            ..TensorProto::default()
        });
        assert_eq!(ints.float_data, values);
        assert!(ints.int32_data.is_empty());
    }

    #[test]
    fn only_types_are_widened_not_other_tens() {
        let check = |name: &str, right: i64| {
            let mut to = AttributeProto {
                name: name.to_owned(),
                i: 10,
                ..AttributeProto::default()
            };
            attribute(&mut to);
            assert_eq!(to.i, right, "{name}");
        };
        check("to", 1);
        check("dtype", 1);
        check("axis", 10);
    }
}
