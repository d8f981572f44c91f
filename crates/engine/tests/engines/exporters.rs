//! What exporters really write: outputs of other shapes, bytes as input, open sizes, rows that can't share a run.

use std::fs;

use bytes::Bytes;
use stillhouse_engine::{
    Activation, Backend, Dim,
    ElementType::{F16, F32, U8},
    EngineError, EngineOptions, Hints, SingleScore,
    onnx::{
        ModelProto, NodeProto,
        build::{integers, node, port, weights},
    },
    prepare, walk,
};

use crate::{both, graphs};

/// A file that an exporter wrote, from `tests/fixtures`.
fn fixture(name: &str) -> Bytes {
    let path = format!("{}/tests/fixtures/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
    fs::read(path).unwrap().into()
}

fn with(backend: Backend, hints: &Hints) -> EngineOptions {
    EngineOptions {
        hints: hints.clone(),
        ..both::options(backend)
    }
}

/// The answers of a backend to `rows` rows of `input`, given one after the other.
fn alone(backend: Backend, bytes: &Bytes, hints: &Hints, input: &[f32]) -> Vec<f32> {
    let blueprint = prepare(bytes, &with(backend, hints)).unwrap();
    let mut engine = blueprint.build(1).unwrap();
    let rows = input.chunks_exact(blueprint.signature().row_len);
    rows.flat_map(|row| {
        engine.input(1).copy_from_slice(row);
        engine.run(1).unwrap().to_vec()
    })
    .collect()
}

fn refused(model: &ModelProto, hints: &Hints) -> String {
    match walk::read(&model.to_bytes(), hints) {
        Err(EngineError::Unsuitable(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn output(model: &mut ModelProto, dims: &str) {
    let graph = model.graph.as_mut().unwrap();
    graph.output = vec![port("y", F32, dims)];
}

/// The MLP's five scores, brought to `y` by `end`.
fn ending(dims: &str, end: NodeProto) -> ModelProto {
    graphs::mlp("N,8", dims, end)
}

/// An MLP with one score a row.
fn single(dims: &str, end: NodeProto) -> ModelProto {
    let mut model = ending(dims, end);
    let graph = model.graph.as_mut().unwrap();
    let values: Vec<f32> = both::noise(16, 5);
    graph.initializer.retain(|weight| weight.name != "w2");
    graph.initializer.push(weights("w2", &[16, 1], &values));
    model
}

#[test]
fn b1_a_sigmoid_for_each_class_is_seen() {
    let graph = walk::read(&fixture("sigmoid_multi"), &Hints::default()).unwrap();
    assert_eq!(graph.signature.activation, Some(Activation::Sigmoid));
    assert_eq!(
        (graph.signature.classes, graph.signature.single_score),
        (5, None)
    );
    let scores = both::agree("sigmoid_multi", &fixture("sigmoid_multi"), 1e-5);
    assert!(scores.iter().all(|p| (0.0..=1.0).contains(p)));
}

#[test]
fn b2_dynamic_quantisation_is_run_one_row_at_a_time() {
    let bytes = fixture("qdyn_u8");
    let input = both::noise(4 * 3 * 16 * 16, 9);
    for backend in both::backends() {
        let blueprint = match both::blueprint(backend, &bytes) {
            Ok(blueprint) => blueprint,
            Err(EngineError::Operator { operator, .. }) => {
                println!("skipped: {backend} has no {operator}");
                continue;
            }
            Err(error) => panic!("{backend}: {error}"),
        };
        assert_eq!(blueprint.batch_limit(), Some(1), "{backend}");
        let words = blueprint.describe();
        assert!(words.contains(", one row at a time"), "{words}");
        if backend == Backend::Ort {
            assert!(
                words.ends_with(
                    "(dynamic quantisation: DynamicQuantizeLinear scales a batch as a whole)"
                ),
                "{words}"
            );
        }
        let scores = alone(backend, &bytes, &Hints::default(), &input);
        assert_eq!(scores.len(), 4 * 5);
    }
}

#[test]
fn b2_one_row_at_a_time_can_be_demanded() {
    let bytes = ending("N,5", graphs::identity()).to_bytes();
    let hints = Hints {
        one_row: Some("given".into()),
        ..Hints::default()
    };
    for backend in both::backends() {
        let blueprint = prepare(&bytes, &with(backend, &hints)).unwrap();
        assert_eq!(blueprint.batch_limit(), Some(1));
        let words = blueprint.describe();
        assert!(words.ends_with(", one row at a time (given)"), "{words}");
    }
}

#[test]
fn b2_a_folded_batch_is_named() {
    assert_eq!(
        walk::folded_batch(&fixture("reshape_batch1")).as_deref(),
        Some("a Reshape to [1, 4] has the batch 1 in it")
    );
    // There a Reshape to [1,-1,1,1] is a weight's.
    assert_eq!(walk::folded_batch(&fixture("qdyn_u8")), None);
    assert_eq!(walk::folded_batch(&fixture("sigmoid_multi")), None);
}

#[test]
fn b3_one_score_is_the_positive_of_two_classes() {
    let input = both::noise(3 * 8, 2);
    let hints = |single_score| Hints {
        single_score,
        ..Hints::default()
    };
    for dims in ["N,1", "N,1,1"] {
        let reshaped = |end: NodeProto| {
            let mut model = single(dims, end);
            if dims == "N,1,1" {
                let graph = model.graph.as_mut().unwrap();
                graph.node.last_mut().unwrap().output[0] = "flat_y".to_owned();
                graph
                    .node
                    .push(node("Reshape", &["flat_y", "dims"], &["y"]));
                graph.initializer.push(integers("dims", &[-1, 1, 1]));
            }
            model
        };
        let sigmoid = reshaped(node("Sigmoid", &["logits"], &["y"])).to_bytes();
        let logits = reshaped(graphs::identity()).to_bytes();
        let read = |bytes, single| walk::read(bytes, &hints(single)).unwrap().signature;
        let signature = read(&sigmoid, None);
        assert_eq!(signature.single_score, Some(SingleScore::Probability));
        assert_eq!((signature.classes, signature.width()), (2, 1));
        assert_eq!(read(&logits, None).single_score, Some(SingleScore::Logit));
        let given = read(&logits, Some(SingleScore::Probability));
        assert_eq!(given.single_score, Some(SingleScore::Probability));
        let probabilities = both::agree("a sigmoid", &sigmoid, 1e-5);
        assert!(probabilities.chunks(2).all(|pair| pair[0] + pair[1] == 1.0));
        let _ = both::agree("a logit", &logits, 1e-5);
        for backend in both::backends() {
            let p = alone(backend, &sigmoid, &Hints::default(), &input);
            let z = alone(backend, &logits, &Hints::default(), &input);
            for (p, z) in p.chunks(2).zip(z.chunks(2)) {
                assert_eq!(z[0], 0.0);
                assert!((p[1] - 1.0 / (1.0 + (-z[1]).exp())).abs() < 1e-6);
            }
        }
    }
    // PyTorch's `squeeze(-1)`: the output is [N].
    let mut squeezed = single("N", node("Sigmoid", &["logits"], &["flat_y"]));
    let graph = squeezed.graph.as_mut().unwrap();
    graph
        .node
        .push(node("Reshape", &["flat_y", "dims"], &["y"]));
    graph.initializer.push(integers("dims", &[-1]));
    let scores = both::agree("squeezed", &squeezed.to_bytes(), 1e-5);
    assert_eq!(scores.len(), 7 * 2);
}

#[test]
fn b3_scores_are_found_wherever_their_dimension_stands() {
    let reshaped = |dims: &str, shape: &[i64]| {
        let mut model = ending(dims, node("Reshape", &["logits", "dims"], &["y"]));
        let graph = model.graph.as_mut().unwrap();
        graph.initializer.push(integers("dims", shape));
        model.to_bytes()
    };
    let right = both::agree("[N,5]", &ending("N,5", graphs::identity()).to_bytes(), 1e-5);
    for (dims, shape) in [("N,1,5", &[-1, 1, 5][..]), ("N,1,5,1", &[-1, 1, 5, 1])] {
        let found = both::agree(dims, &reshaped(dims, shape), 1e-5);
        both::close(dims, &found, &right, 1e-5);
    }
    // Without a batch there is one row, and one at a time is said.
    let bytes = reshaped("5", &[5]);
    let (input, hints) = (both::noise(7 * 8, 1), Hints::default());
    for backend in both::backends() {
        let blueprint = both::blueprint(backend, &bytes).unwrap();
        assert_eq!(blueprint.batch_limit(), Some(1));
        let found = alone(backend, &bytes, &hints, &input);
        both::close("[5]", &found, &right, 1e-5);
    }
    let words = both::blueprint(both::backends()[0], &bytes)
        .unwrap()
        .describe();
    assert!(words.contains("one row at a time"), "{words}");
    let why = refused(&ending("N,5,5", graphs::identity()), &hints);
    assert!(
        why.contains("[N,5,5]") && why.contains("[N,1] (one score of two classes)"),
        "{why}"
    );
    let mut ambiguous = graphs::mlp("5,8", "5", graphs::identity());
    output(&mut ambiguous, "5");
    let why = refused(&ambiguous, &hints);
    assert!(why.contains("[5] for a batch of 5"), "{why}");
}

#[test]
fn b3_open_numbers_of_classes_come_from_the_labels() {
    let open = ending("N,K", graphs::identity());
    let known = |classes| Hints {
        classes: Some(classes),
        ..Hints::default()
    };
    let why = refused(&open, &Hints::default());
    assert!(
        why.contains("[N,K]") && why.contains("the labels say how many"),
        "{why}"
    );
    let bytes = open.to_bytes();
    let input = both::noise(8, 1);
    for backend in both::backends() {
        let blueprint = prepare(&bytes, &with(backend, &known(5))).unwrap();
        assert_eq!(blueprint.signature().classes, 5);
        assert_eq!(blueprint.signature().output.dims[1], Dim::Fixed(5));
        assert_eq!(alone(backend, &bytes, &known(5), &input).len(), 5);
        // What really comes is counted.
        let mut engine = prepare(&bytes, &with(backend, &known(4)))
            .unwrap()
            .build(1)
            .unwrap();
        engine.input(1).copy_from_slice(&input);
        let error = engine.run(1).unwrap_err().to_string();
        assert!(error.contains("4 would be right"), "{error}");
    }
}

#[test]
fn b3_open_sizes_are_filled_in() {
    let open = graphs::cnn("N,2,H,W", "N,5", F32).to_bytes();
    let fixed = graphs::cnn("N,2,6,6", "N,5", F32).to_bytes();
    let size = |shape: &[usize]| Hints {
        row_shape: Some(shape.to_vec()),
        ..Hints::default()
    };
    let input = both::noise(3 * 2 * 6 * 6, 4);
    for backend in both::backends() {
        let found = alone(backend, &open, &size(&[2, 6, 6]), &input);
        let right = alone(backend, &fixed, &Hints::default(), &input);
        both::close("open sizes", &found, &right, 1e-5);
    }
    let read = |dims: &str, shape: &[usize]| {
        let model = graphs::cnn(dims, "N,5", F32).to_bytes();
        walk::read(&model, &size(shape)).map(|graph| graph.signature.row_len)
    };
    assert_eq!(read("N,H,W,2", &[5, 4, 2]).unwrap(), 40);
    assert_eq!(read("N,H,W", &[1, 5, 4]).unwrap(), 20);
    assert_eq!(read("N,P", &[3, 5, 4]).unwrap(), 60);
    // Numbers in the graph stay.
    assert_eq!(read("N,2,6,W", &[2, 7, 4]).unwrap(), 48);
    let why = read("N,2,H,W", &[]).unwrap_err().to_string();
    assert!(why.contains("[N,2,H,W]") && why.contains("--size"), "{why}");
}

/// NCHW bytes, normalised inside, beside the same network that reads floats.
#[test]
fn b3_bytes_are_read_as_bytes() {
    let mut model = graphs::cnn("N,2,6,6", "N,5", F32);
    let graph = model.graph.as_mut().unwrap();
    graph.input = vec![port("pixels", U8, "N,2,6,6")];
    graph
        .node
        .insert(0, node("Cast", &["pixels"], &["wide"]).with_int("to", 1));
    graph.node.insert(1, node("Div", &["wide", "full"], &["x"]));
    graph.initializer.push(weights("full", &[], &[255.0]));
    let (bytes, plain) = (
        model.to_bytes(),
        graphs::cnn("N,2,6,6", "N,5", F32).to_bytes(),
    );
    let input: Vec<f32> = (0..3 * 72).map(|at| ((at * 37) % 256) as f32).collect();
    let scaled: Vec<f32> = input.iter().map(|byte| byte / 255.0).collect();
    for backend in both::backends() {
        let blueprint = both::blueprint(backend, &bytes).unwrap();
        assert_eq!(blueprint.signature().input.element, U8);
        let found = alone(backend, &bytes, &Hints::default(), &input);
        let right = alone(backend, &plain, &Hints::default(), &scaled);
        both::close("bytes", &found, &right, 1e-5);
        let together = both::answers(backend, &bytes, &input, 3).unwrap();
        both::close("bytes in a batch", &together, &right, 1e-5);
    }
}

#[test]
fn b3_what_holds_no_scores_is_refused_with_what_helps() {
    let check = |model: &ModelProto, name: Option<&str>, parts: &[&str]| {
        let hints = Hints {
            output: name.map(str::to_owned),
            ..Hints::default()
        };
        let why = refused(model, &hints);
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
    };
    // The winning class, as integers and cast to floats.
    let argmax = |element: i32| {
        let mut model = ending("N", node("ArgMax", &["logits"], &["y"]).with_int("axis", 1));
        let graph = model.graph.as_mut().unwrap();
        let value = graph.output[0].r#type.as_mut().unwrap();
        value.tensor_type.as_mut().unwrap().elem_type = element;
        model
    };
    let helps = [
        "`y` is the number of the winning class (ArgMax)",
        "add `logits` to the graph's outputs",
        "--output-name",
    ];
    check(&argmax(7), None, &helps);
    let mut cast = argmax(1);
    let graph = cast.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output[0] = "winner".to_owned();
    graph
        .node
        .push(node("Cast", &["winner"], &["y"]).with_int("to", 1));
    check(&cast, None, &helps);
    // Beside the scores, they are found, and named where the other was asked for.
    let mut beside = argmax(7);
    beside
        .graph
        .as_mut()
        .unwrap()
        .output
        .push(port("logits", F32, "N,5"));
    let graph = walk::read(&beside.to_bytes(), &Hints::default()).unwrap();
    assert_eq!(graph.signature.output.name, "logits");
    check(
        &beside,
        Some("y"),
        &["ArgMax", "`logits` [N,5] would do: --output-name logits"],
    );
    // With the number of classes known, an output with as many is taken.
    let mut several = ending("N,5", graphs::identity());
    several
        .graph
        .as_mut()
        .unwrap()
        .output
        .insert(0, port("h", F32, "N,16"));
    let chosen = |classes| {
        let hints = Hints {
            classes,
            ..Hints::default()
        };
        walk::read(&several.to_bytes(), &hints)
            .unwrap()
            .signature
            .output
            .name
    };
    assert_eq!(
        (chosen(None), chosen(Some(5)), chosen(Some(16))),
        ("h".into(), "y".into(), "h".into())
    );
    // skl2onnx's list of maps.
    let mut zipped = ending("N,5", node("ZipMap", &["logits"], &["y"]));
    zipped
        .graph
        .as_mut()
        .unwrap()
        .node
        .last_mut()
        .unwrap()
        .domain = "ai.onnx.ml".to_owned();
    zipped.graph.as_mut().unwrap().output[0].r#type = None;
    check(
        &zipped,
        None,
        &[
            "`y` is a list of maps (ZipMap;",
            "\"zipmap\": False",
            "add `logits`",
        ],
    );
    check(
        &ending("N,5", node("TopK", &["logits", "k"], &["y"])),
        None,
        &["TopK", "`logits`"],
    );
    let mut sure = single("N,1", node("Softmax", &["logits"], &["y"]));
    check(
        &sure,
        None,
        &["a softmax over one score, which is always 1"],
    );
    sure.graph.as_mut().unwrap().output = vec![port("y", F16, "")];
    let shape = sure.graph.as_mut().unwrap().output[0]
        .r#type
        .as_mut()
        .unwrap();
    shape
        .tensor_type
        .as_mut()
        .unwrap()
        .shape
        .as_mut()
        .unwrap()
        .dim
        .clear();
    check(&sure, None, &["a single number without a dimension"]);
    let doubles = {
        let mut model = ending("N,5", graphs::identity());
        let value = model.graph.as_mut().unwrap().input[0]
            .r#type
            .as_mut()
            .unwrap();
        value.tensor_type.as_mut().unwrap().elem_type = 11;
        model
    };
    check(
        &doubles,
        None,
        &["`x` holds float64; float32, float16 or uint8 is right"],
    );
}
