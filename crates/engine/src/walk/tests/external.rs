//! External data, hidden at every place where the format allows a tensor.

use super::*;
use crate::onnx::{
    AttributeProto, FunctionProto, SparseTensorProto, StringStringEntryProto, TrainingInfoProto,
};

/// Puts `tensor` at one of the places where the format allows a tensor.
type Hide = fn(&mut ModelProto, TensorProto);

const PLACES: [(&str, Hide); 10] = [
    ("initializer", |m, t| graph_of(m).initializer.push(t)),
    ("sparse values", |m, t| {
        graph_of(m).sparse_initializer.push(sparse(Some(t), None))
    }),
    ("sparse indices", |m, t| {
        graph_of(m).sparse_initializer.push(sparse(None, Some(t)))
    }),
    ("attribute", |m, t| {
        graph_of(m).node[0].attribute.push(AttributeProto {
            t: Some(t),
            ..Default::default()
        })
    }),
    ("attribute list", |m, t| {
        graph_of(m).node[0].attribute.push(AttributeProto {
            tensors: vec![t],
            ..Default::default()
        });
    }),
    ("sparse attribute", |m, t| {
        let sparse_tensor = Some(sparse(Some(t), None));
        graph_of(m).node[0].attribute.push(AttributeProto {
            sparse_tensor,
            ..Default::default()
        });
    }),
    ("sparse attribute list", |m, t| {
        let sparse_tensors = vec![sparse(Some(t), None)];
        graph_of(m).node[0].attribute.push(AttributeProto {
            sparse_tensors,
            ..Default::default()
        });
    }),
    ("function body", |m, t| {
        let mut constant = node("Constant", &[], &["c"]);
        constant.attribute.push(AttributeProto {
            t: Some(t),
            ..Default::default()
        });
        m.functions.push(FunctionProto {
            node: vec![constant],
            ..Default::default()
        });
    }),
    ("function default", |m, t| {
        let attribute_proto = vec![AttributeProto {
            t: Some(t),
            ..Default::default()
        }];
        m.functions.push(FunctionProto {
            attribute_proto,
            ..Default::default()
        });
    }),
    ("training graph", |m, t| {
        let graph = GraphProto {
            initializer: vec![t],
            ..Default::default()
        };
        m.training_info.push(TrainingInfoProto {
            initialization: None,
            algorithm: Some(graph),
        });
    }),
];

fn sparse(values: Option<TensorProto>, indices: Option<TensorProto>) -> SparseTensorProto {
    SparseTensorProto {
        values,
        indices,
        dims: vec![],
    }
}

fn external(location: &str, data_location: i32) -> TensorProto {
    let entry = StringStringEntryProto {
        key: "location".to_owned(),
        value: location.to_owned(),
    };
    TensorProto {
        name: "far".to_owned(),
        external_data: vec![entry],
        data_location,
        ..Default::default()
    }
}

/// Wraps the whole graph, `depth` times, into an If's branch, a list of graphs or a function's node.
pub(super) fn bury(mut model: ModelProto, depth: usize) -> ModelProto {
    for level in 0..depth {
        let inner = model.graph.take();
        let graph = GraphProto {
            node: vec![node("If", &["x"], &["y"])],
            ..inner.clone().unwrap_or_default()
        };
        let graph = GraphProto {
            initializer: vec![],
            sparse_initializer: vec![],
            ..graph
        };
        model.graph = Some(graph);
        let attribute = match level % 2 {
            0 => AttributeProto {
                g: inner,
                ..Default::default()
            },
            _ => AttributeProto {
                graphs: inner.into_iter().collect(),
                ..Default::default()
            },
        };
        graph_of(&mut model).node[0].attribute.push(attribute);
    }
    model
}

#[test]
fn external_data_is_refused_at_every_place() {
    for (place, hide) in PLACES {
        for depth in 0..4 {
            let mut model = classifier("N,4", "N,3");
            hide(&mut model, TensorProto::default());
            let found = read(
                &bury(model.clone(), depth).to_bytes(),
                &named(Some("nothing")),
            );
            assert!(
                matches!(found, Err(EngineError::Unsuitable(_))),
                "{place}: inline data is no reason: {found:?}"
            );
            for data_location in [0, 1, 2] {
                let mut model = classifier("N,4", "N,3");
                hide(&mut model, external("../../etc/passwd", data_location));
                match read(&bury(model, depth).to_bytes(), &Hints::default()) {
                    Err(EngineError::ExternalData { tensor, location }) => {
                        assert_eq!(
                            (tensor.as_str(), location.as_str()),
                            ("far", "../../etc/passwd"),
                            "{place}"
                        );
                    }
                    other => {
                        panic!("{place} at depth {depth}, data_location {data_location}: {other:?}")
                    }
                }
            }
        }
    }
}

#[test]
fn external_data_without_a_name_names_its_owner() {
    let mut model = classifier("N,4", "N,3");
    let t = Some(TensorProto {
        data_location: 1,
        ..Default::default()
    });
    graph_of(&mut model).node[0].attribute.push(AttributeProto {
        t,
        ..Default::default()
    });
    let error = read(&model.to_bytes(), &Hints::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`Flatten_flat`") && error.contains("`not named`"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn external_data_is_found_among_any_neighbours(place in 0..PLACES.len(), depth in 0_usize..12, before in 0_usize..5) {
        let mut model = classifier("N,4", "N,3");
        for (_, hide) in PLACES.iter().cycle().skip(place).take(before) {
            hide(&mut model, TensorProto::default());
        }
        PLACES[place].1(&mut model, external("weights.bin", 1));
        let found = read(&bury(model, depth).to_bytes(), &Hints::default());
        let is_refused = matches!(found, Err(EngineError::ExternalData { .. }));
        prop_assert!(is_refused, "{found:?}");
    }
}
