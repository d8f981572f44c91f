mod external;

use super::*;
use crate::{
    Batch, Dim, ElementType, Port,
    onnx::{
        GraphProto, ValueInfoProto,
        build::{model, node, port, weights},
    },
};
use ElementType::{F16, F32};
use proptest::prelude::*;

fn softmax(model: &ModelProto) -> bool {
    let graph = read(&model.to_bytes(), &Hints::default()).unwrap();
    graph.signature.activation == Some(crate::Activation::Softmax)
}

/// `x` → Flatten → Gemm → `y`, with the weights listed as an input as older exporters do.
fn classifier(input: &str, output: &str) -> ModelProto {
    model(
        17,
        GraphProto {
            name: "g".to_owned(),
            node: vec![
                node("Flatten", &["x"], &["flat"]),
                node("Gemm", &["flat", "w"], &["y"]),
            ],
            initializer: vec![weights("w", &[4, 3], &[0.5; 12])],
            input: vec![port("w", F32, "4,3"), port("x", F32, input)],
            output: vec![port("y", F32, output)],
            ..GraphProto::default()
        },
    )
}

fn graph_of(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().expect("made with a graph")
}

fn named(output: Option<&str>) -> Hints {
    Hints {
        output: output.map(str::to_owned),
        ..Hints::default()
    }
}

fn unsuitable(model: &ModelProto, output: Option<&str>) -> String {
    match read(&model.to_bytes(), &named(output)) {
        Err(EngineError::Unsuitable(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_classifier_is_read_whole() {
    let mut model = classifier("N,1,2,2", "N,3");
    model.graph.as_mut().unwrap().node[1].domain = "com.example".to_owned();
    let graph = read(&model.to_bytes(), &Hints::default()).unwrap();
    let symbol = |name: &str| Dim::Symbol(name.to_owned());
    assert_eq!(
        graph,
        Graph {
            signature: Signature {
                input: Port {
                    name: "x".to_owned(),
                    dims: vec![symbol("N"), Dim::Fixed(1), Dim::Fixed(2), Dim::Fixed(2)],
                    element: F32,
                },
                output: Port {
                    name: "y".to_owned(),
                    dims: vec![symbol("N"), Dim::Fixed(3)],
                    element: F32
                },
                batch: Batch::Dynamic,
                row_len: 4,
                classes: 3,
                single_score: None,
                opset: 17,
                activation: None,
            },
            one_row: None,
            operators: vec!["Flatten".to_owned(), "com.example.Gemm".to_owned()],
        }
    );
}

#[test]
fn the_first_dimension_is_the_batch() {
    let check = |input, output, expected: Result<Batch, &str>| {
        let found = read(&classifier(input, output).to_bytes(), &Hints::default());
        match (found.map(|graph| graph.signature.batch), expected) {
            (Ok(batch), Ok(right)) => assert_eq!(batch, right, "{input} {output}"),
            (Err(error), Err(part)) => assert!(
                error.to_string().contains(part),
                "{input} {output}: {error}"
            ),
            (found, expected) => panic!("{input} {output}: {found:?}, not {expected:?}"),
        }
    };
    check("N,4", "N,3", Ok(Batch::Dynamic));
    check("-1,4", "-1,3", Ok(Batch::Dynamic));
    check(",4", ",3", Ok(Batch::Dynamic));
    check(",4", "batch_size,3", Ok(Batch::Dynamic));
    check("1,4", "1,3", Ok(Batch::Fixed(1)));
    check("8,4", "N,3", Ok(Batch::Fixed(8)));
    check("N,4", "1,3", Ok(Batch::Fixed(1)));
    check("N,4", "N,3,1,1", Ok(Batch::Dynamic));
    check("N,4", "N,3,1", Ok(Batch::Dynamic));
    check("8,4", "4,3", Err("`x` is [8,4] but output `y` is [4,3]"));
    check("0,4", "0,3", Err("must agree, from 1 on"));
}

#[test]
fn what_is_no_classifier_is_told_what_would_be_right() {
    let check = |input, output, parts: &[&str]| {
        let why = unsuitable(&classifier(input, output), None);
        assert!(
            parts.iter().all(|part| why.contains(part)),
            "{input} {output}: {why}"
        );
    };
    check("4", "N,3", &["input `x` is [4];", "[N,C,H,W]"]);
    check("N,1,1,2,2", "N,3", &["[N,1,1,2,2]", "is right"]);
    check(
        "N,3,H,W",
        "N,3",
        &["[N,3,H,W]", "must be a number", "--size"],
    );
    check("N,3,0,4", "N,3", &["[N,3,0,4]"]);
    check(
        "N,9223372036854775807,9223372036854775807",
        "N,3",
        &["must be a number"],
    );
    check("4,4", "3", &["output `y` is [3]", "[N,classes]"]);
    check("N,4", "N,K", &["[N,K]", "[N,classes,1,1]"]);
    check("N,4", "N,0", &["two classes"]);
    check("N,4", "N,3,7,7", &["[N,3,7,7]"]);
}

#[test]
fn broken_ports_are_named() {
    let check = |change: fn(&mut GraphProto), parts: &[&str]| {
        let mut model = classifier("N,4", "N,3");
        change(graph_of(&mut model));
        let why = unsuitable(&model, None);
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
    };
    check(|g| g.input.clear(), &["inputs found: none", "exactly one"]);
    check(
        |g| g.input.push(port("mask", F32, "N,7")),
        &["`x` [N,4], `mask` [N,7]"],
    );
    check(|g| g.output.clear(), &["no output", "[N,classes]"]);
    check(|g| g.input[1].r#type = None, &["input `x` is no tensor"]);
    check(
        |g| tensor_type(&mut g.input[1]).elem_type = 3,
        &["`x` holds int8", "float32, float16 or uint8"],
    );
    check(
        |g| tensor_type(&mut g.output[0]).elem_type = 7,
        &["`y` holds int64"],
    );
    check(
        |g| tensor_type(&mut g.output[0]).shape = None,
        &["`y` has no shape", "infer_shapes"],
    );
    let mut model = classifier("N,4", "N,3");
    model.opset_import.clear();
    assert!(unsuitable(&model, None).contains("operator set"));
}

fn tensor_type(value: &mut ValueInfoProto) -> &mut crate::onnx::TensorTypeProto {
    value
        .r#type
        .as_mut()
        .and_then(|kind| kind.tensor_type.as_mut())
        .expect("made as a tensor")
}

#[test]
fn one_of_several_outputs_is_chosen() {
    let mut model = classifier("N,4", "N,3");
    graph_of(&mut model).output = vec![
        port("features", F32, "N,7,7,8"),
        port("y", F32, "N,3"),
        port("aux", F16, "N,5"),
    ];
    let chosen = |output| {
        read(&model.to_bytes(), &named(output))
            .unwrap()
            .signature
            .output
            .name
    };
    assert_eq!(chosen(None), "y");
    assert_eq!(chosen(Some("aux")), "aux");
    assert!(unsuitable(&model, Some("features")).contains("[N,7,7,8]"));
    let why = unsuitable(&model, Some("labels"));
    assert!(
        why.contains("no output `labels`") && why.contains("`aux` [N,5]"),
        "{why}"
    );
    graph_of(&mut model).output.truncate(1);
    graph_of(&mut model)
        .output
        .push(port("boxes", F32, "N,9,4"));
    let why = unsuitable(&model, None);
    assert!(
        why.contains("`features` is [N,7,7,8]") && why.contains("`boxes` is [N,9,4]"),
        "{why}"
    );
}

#[test]
fn softmax_is_seen_through_what_leaves_values_alone() {
    let check = |ops: &[&str], expected| {
        let mut model = classifier("N,4", "N,3");
        let graph = graph_of(&mut model);
        for (i, op) in ops.iter().enumerate() {
            let from = if i == 0 {
                "y".to_owned()
            } else {
                format!("t{i}")
            };
            graph
                .node
                .push(node(op, &[&from, "w"], &[&format!("t{}", i + 1)]));
        }
        graph.output[0].name = if ops.is_empty() {
            "y".to_owned()
        } else {
            format!("t{}", ops.len())
        };
        assert_eq!(softmax(&model), expected, "{ops:?}");
    };
    check(&[], false);
    check(&["Softmax"], true);
    check(&["Softmax", "Reshape"], true);
    check(&["Flatten", "Softmax", "Squeeze", "Identity", "Cast"], true);
    check(&["Softmax", "QuantizeLinear", "DequantizeLinear"], true);
    check(&["Softmax", "Mul"], false);
    check(&["LogSoftmax"], false);
    let mut cycle = classifier("N,4", "N,3");
    graph_of(&mut cycle).node = vec![
        node("Identity", &["y"], &["x2"]),
        node("Identity", &["x2"], &["y"]),
    ];
    assert!(!softmax(&cycle));
}

#[test]
fn what_is_no_model_says_so() {
    let check = |bytes: &'static [u8], part: &str| match read(
        &Bytes::from_static(bytes),
        &Hints::default(),
    ) {
        Err(error @ (EngineError::Decode(_) | EngineError::Foreign(_))) => {
            assert!(error.to_string().contains(part), "{error}")
        }
        other => panic!("{other:?}"),
    };
    check(b"", "an empty file");
    check(b"\x08\x08", "no graph");
    check(b"\x08\x08\x3a\xff", "it was cut short");
    check(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00",
        "git lfs pull",
    );
    check(b"\x89PNG\r\n\x1a\n and so on", "a picture");
    let deep = external::bury(classifier("N,4", "N,3"), 60).to_bytes();
    assert!(
        matches!(read(&deep, &Hints::default()), Err(EngineError::Decode(why)) if why.contains("recursion"))
    );
    let mut compiled = classifier("N,4", "N,3");
    graph_of(&mut compiled).node[0].op_type = "EPContext".to_owned();
    assert!(unsuitable(&compiled, None).contains("EPContext"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = read(&bytes.into(), &Hints::default());
    }

    #[test]
    fn a_damaged_model_never_panics(
        cut in 0_usize..400,
        flips in proptest::collection::vec((0_usize..400, any::<u8>()), 0..8),
    ) {
        let mut bytes = classifier("N,1,2,2", "N,3").to_bytes().to_vec();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(cut.max(1));
        let _ = read(&bytes.into(), &Hints::default());
    }
}
