//! What can't be had or run, and the errors.

use std::path::PathBuf;

use stillhouse_engine::{Backend, Device, EngineError, EngineOptions, onnx::build::node, prepare};

use crate::{both, graphs};

fn refusal(bytes: &bytes::Bytes, options: &EngineOptions) -> EngineError {
    prepare(bytes, options)
        .err()
        .unwrap_or_else(|| panic!("{options:?} was accepted"))
}

#[test]
fn an_unknown_operator_is_named() {
    let check = |op_type: &str, domain: &str, named: &str| {
        let mut model = graphs::mlp("N,8", "N,5", graphs::identity());
        let end = model.graph.as_mut().unwrap().node.last_mut().unwrap();
        end.op_type = op_type.to_owned();
        end.domain = domain.to_owned();
        if !domain.is_empty() {
            let mut set = model.opset_import[0].clone();
            set.domain = domain.to_owned();
            model.opset_import.push(set);
        }
        for backend in both::backends() {
            match refusal(&model.to_bytes(), &EngineOptions::new(backend)) {
                EngineError::Operator { operator, .. } => assert_eq!(operator, named, "{backend}"),
                other => panic!("{backend}: {other}"),
            }
        }
    };
    check("Frobnicate", "", "Frobnicate");
    check("Frobnicate", "com.example", "com.example.Frobnicate");
}

#[test]
fn a_graph_that_does_not_hold_together_is_refused() {
    let mut dangling = graphs::mlp("N,8", "N,5", graphs::identity());
    dangling.graph.as_mut().unwrap().node[1].input[0] = "nobody".to_owned();
    let mut mismatched = graphs::mlp("N,8", "N,5", graphs::identity());
    mismatched.graph.as_mut().unwrap().initializer[0].dims = vec![16, 8];
    let mut cut = graphs::mlp("N,8", "N,5", graphs::identity());
    cut.graph.as_mut().unwrap().initializer[0]
        .raw_data
        .truncate(100);
    for model in [dangling, mismatched, cut] {
        for backend in both::backends() {
            let error = refusal(&model.to_bytes(), &EngineOptions::new(backend));
            assert!(
                matches!(error, EngineError::Load { .. }),
                "{backend}: {error:?}"
            );
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{backend} refused the model: ")),
                "{error}"
            );
        }
    }
}

#[test]
fn the_walk_comes_before_any_back_end() {
    let mut model = graphs::mlp("N,8", "N,5", graphs::identity());
    model.graph.as_mut().unwrap().initializer[0].data_location = 1;
    for backend in both::backends() {
        let error = refusal(&model.to_bytes(), &EngineOptions::new(backend));
        assert!(matches!(error, EngineError::ExternalData { .. }), "{error}");
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error_or_a_fallback() {
    let bytes = graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes();
    let input = both::noise(8, 1);
    for backend in both::backends() {
        let right = both::answers(backend, &bytes, &input, 1).unwrap();
        // Device 4095 isn't there even where there are GPUs.
        for device in [Device::Cuda(4095), Device::TensorRt(4095)] {
            let strict = EngineOptions {
                device,
                ..EngineOptions::new(backend)
            };
            match refusal(&bytes, &strict) {
                EngineError::Device {
                    device: named,
                    detail,
                } => {
                    assert_eq!(named, device);
                    assert!(!detail.is_empty());
                }
                other => panic!("{backend}: {other}"),
            }
            let blueprint = prepare(
                &bytes,
                &EngineOptions {
                    fallback: true,
                    ..strict.clone()
                },
            )
            .unwrap();
            let words = blueprint.describe();
            assert!(
                words.contains(" on cpu because ") && words.contains(&device.to_string()),
                "{words}"
            );
            let mut engine = blueprint.build(1).unwrap();
            engine.input(1).copy_from_slice(&input);
            assert_eq!(engine.run(1).unwrap(), right);

            let mut wrong = graphs::mlp("N,8", "N,5", graphs::identity());
            wrong.graph.as_mut().unwrap().node[1].input[0] = "nobody".to_owned();
            let blamed = refusal(
                &wrong.to_bytes(),
                &EngineOptions {
                    fallback: true,
                    ..strict
                },
            );
            assert!(
                matches!(blamed, EngineError::Load { .. }),
                "the graph is at fault, not {device}: {blamed:?}"
            );
        }
    }
}

#[test]
fn a_library_that_is_not_there_is_told_from_one_that_is_none() {
    if !Backend::compiled_in().contains(&Backend::Ort) {
        return;
    }
    let bytes = graphs::mlp("N,8", "N,5", graphs::identity()).to_bytes();
    let with = |library: PathBuf| EngineOptions {
        library: Some(library),
        ..EngineOptions::new(Backend::Ort)
    };
    let missing = refusal(&bytes, &with("/nowhere/libonnxruntime.so".into())).to_string();
    assert_eq!(
        missing,
        "onnxruntime can't be had: there is no library at /nowhere/libonnxruntime.so"
    );
    // This test's own source is a file, but no library.
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let none = refusal(&bytes, &with(source.clone()));
    assert!(matches!(none, EngineError::Backend { .. }), "{none:?}");
    assert!(
        none.to_string().contains(source.to_str().unwrap()),
        "{none}"
    );
    // A failed attempt leaves the way open for a right one.
    both::agree("afterwards", &bytes, 1e-5);
}

#[test]
fn an_answer_of_another_shape_is_an_error() {
    // Declared [N,5], but the graph makes [N,4]: the exporter was wrong, and reading past the end must be impossible.
    let mut model = graphs::mlp(
        "N,8",
        "N,5",
        node("Slice", &["logits", "from", "to", "axes"], &["y"]),
    );
    let graph = model.graph.as_mut().unwrap();
    for (name, value) in [("from", 0), ("to", 4), ("axes", 1)] {
        graph
            .initializer
            .push(stillhouse_engine::onnx::build::integers(name, &[value]));
    }
    let bytes = model.to_bytes();
    for backend in both::backends() {
        let outcome = both::answers(backend, &bytes, &[0.5; 16], 2);
        assert!(
            matches!(outcome, Err(EngineError::Load { .. } | EngineError::Run(_))),
            "{backend}: {outcome:?}"
        );
    }
}
