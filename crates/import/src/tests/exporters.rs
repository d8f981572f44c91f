//! Networks as exporters write them: what becomes of each, on every engine.

use std::fs;

use super::*;

/// A file that an exporter wrote, from the engine's fixtures.
fn fixture(name: &str) -> Bytes {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/fixtures");
    fs::read(format!("{folder}/{name}.onnx")).unwrap().into()
}

fn named(count: usize) -> Labels {
    let lines: Vec<String> = (0..count).map(|class| format!("class {class}")).collect();
    Labels::parse(&lines.join("\n")).unwrap()
}

fn imported(
    onnx: &Bytes,
    classes: usize,
    overrides: &Overrides,
    engine: &EngineOptions,
) -> Result<Described, ImportError> {
    describe(
        onnx,
        &named(classes),
        overrides,
        Vec::new(),
        engine,
        &prepare,
    )
}

/// What the network becomes, reproduced on the engine that recorded it; with the engine's description of itself.
fn served(
    onnx: &Bytes,
    classes: usize,
    overrides: &Overrides,
) -> Vec<(EngineOptions, Described, String)> {
    let outcome = |engine: EngineOptions| {
        let described = imported(onnx, classes, overrides, &engine).unwrap_or_else(|error| {
            panic!("{}: {error}", engine.backend);
        });
        let words = preflight(&files(&described), &engine, &prepare, Priority::Foreground);
        let words = words.unwrap_or_else(|error| panic!("{}: {error}", engine.backend));
        (engine, described, words)
    };
    every_engine().into_iter().map(outcome).collect()
}

fn refused(onnx: &Bytes, classes: usize, overrides: &Overrides) -> String {
    let engine = &every_engine()[0];
    imported(onnx, classes, overrides, engine)
        .unwrap_err()
        .to_string()
}

fn kind(kind: OutputKind) -> Overrides {
    Overrides {
        output_kind: Some(kind),
        ..Overrides::default()
    }
}

fn choices(described: &Described) -> String {
    let lines: Vec<String> = described.choices.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn b1_sigmoids_are_independent_scores() {
    let onnx = fixture("sigmoid_multi");
    for (_, described, _) in served(&onnx, 5, &Overrides::default()) {
        let output = &described.version.manifest.output;
        assert_eq!(
            (output.kind, &output.thresholds[..]),
            (OutputKind::Independent, &[0.5][..])
        );
        let choices = choices(&described);
        assert!(
            choices.contains("output.kind = independent, a probability for each class; any number of labels applies (graph)")
                && choices.contains("output.thresholds = 0.5 (default)"),
            "{choices}"
        );
        let _ = served(&onnx, 5, &kind(OutputKind::Independent));
        let thresholds = vec![0.1, 0.2, 0.3, 0.4, 0.5];
        let given = Overrides {
            thresholds: Some(thresholds.clone()),
            ..Overrides::default()
        };
        let engine = &every_engine()[0];
        let described = imported(&onnx, 5, &given, engine).unwrap();
        assert_eq!(described.version.manifest.output.thresholds, thresholds);
    }
    // What a person states is followed or refused with what fits.
    for wrong in [
        OutputKind::Logits,
        OutputKind::Probabilities,
        OutputKind::IndependentLogits,
    ] {
        assert_eq!(
            refused(&onnx, 5, &kind(wrong)),
            format!(
                "--output says {}, but the graph has a sigmoid for each class at the end of it: independent is right",
                wrong.as_str()
            )
        );
    }
}

#[test]
fn b1_a_manifest_of_another_kind_is_refused_when_it_is_loaded() {
    let engine = &every_engine()[0];
    let described = imported(&fixture("sigmoid_multi"), 5, &Overrides::default(), engine).unwrap();
    let mut files = files(&described);
    files.manifest.output.kind = OutputKind::Logits;
    let why = refusal(&files);
    assert_eq!(
        why,
        "the manifest says output.kind = logits, the graph says a sigmoid for each class at the end of it: independent is right"
    );
}

#[test]
fn b1_logits_of_independent_classes_are_given() {
    let network = logits("N,48").to_bytes();
    for (_, described, _) in served(&network, 3, &kind(OutputKind::IndependentLogits)) {
        let output = &described.version.manifest.output;
        assert_eq!(output.kind, OutputKind::IndependentLogits);
        assert_eq!(output.thresholds(), Some(vec![0.5; 3]));
    }
    let wrong = refused(&network, 3, &kind(OutputKind::Independent));
    assert!(
        wrong.starts_with(
            "--output says independent, but the network answers independent-logits (output "
        ),
        "{wrong}"
    );
    let wrong = refused(
        &softmax("N,48").to_bytes(),
        3,
        &kind(OutputKind::Independent),
    );
    assert!(
        wrong.contains("a softmax over all classes at the end of it: probabilities is right"),
        "{wrong}"
    );
    let thresholds = Overrides {
        thresholds: Some(vec![0.5]),
        ..Overrides::default()
    };
    let wrong = refused(&network, 3, &thresholds);
    assert!(
        wrong.starts_with("--threshold belongs to independent scores"),
        "{wrong}"
    );
}

/// A sigmoid that is written out in other operators: the numbers alone don't say what they are.
#[test]
fn b1_what_can_be_either_is_asked_for() {
    let mut network = logits("N,48");
    let graph = network.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output[0] = "z".into();
    graph.node.extend([
        node("Neg", &["z"], &["n"]),
        node("Exp", &["n"], &["e"]),
        node("Add", &["e", "one"], &["d"]),
        node("Div", &["one", "d"], &["y"]),
    ]);
    graph.initializer.push(weights("one", &[], &[1.0]));
    let onnx = network.to_bytes();
    let asked = refused(&onnx, 3, &Overrides::default());
    assert!(
        asked.starts_with("every score lies between 0 and 1, but the rows sum to ")
            && asked.ends_with("say which with --output independent or --output logits"),
        "{asked}"
    );
    let wrong = refused(&onnx, 3, &kind(OutputKind::Probabilities));
    assert!(
        wrong.starts_with(
            "--output says probabilities, but the network answers independent (a row sums to "
        ) && wrong.contains("every score lies between 0 and 1"),
        "{wrong}"
    );
    for fits in [OutputKind::Independent, OutputKind::Logits] {
        for (_, described, _) in served(&onnx, 3, &kind(fits)) {
            assert_eq!(described.version.manifest.output.kind, fits);
        }
    }
}

#[test]
fn b2_rows_that_cannot_share_a_run_are_served_alone() {
    for (name, cause) in [
        (
            "qdyn_u8",
            "(dynamic quantisation: DynamicQuantizeLinear scales a batch as a whole)",
        ),
        (
            "reshape_batch1",
            "(a Reshape to [1, 4] has the batch 1 in it; a batch of ",
        ),
    ] {
        for (engine, described, words) in served(&fixture(name), 5, &kind(OutputKind::Logits)) {
            assert!(words.contains(", one row at a time"), "{name}: {words}");
            if engine.backend == Backend::Ort {
                assert!(words.contains(cause), "{name}: {words}");
            }
            assert!(!described.version.manifest.input.one_row_at_a_time);
        }
    }
    let given = Overrides {
        one_row_at_a_time: true,
        ..Overrides::default()
    };
    for (engine, described, words) in served(&logits("N,48").to_bytes(), 3, &given) {
        assert!(described.version.manifest.input.one_row_at_a_time);
        assert!(
            words.ends_with(", one row at a time (its manifest says so)"),
            "{}: {words}",
            engine.backend
        );
        assert!(choices(&described).contains("input.one_row_at_a_time = true (given)"));
    }
}

/// One score for each picture, brought to `y` by `end`.
fn binary(end: NodeProto) -> Bytes {
    let mut network = network("N,3,4,4", "N,1", F32, end);
    let values: Vec<f32> = (0..PIXELS).map(|i| (i as f32 * 1.7).sin()).collect();
    network.graph.as_mut().unwrap().initializer = vec![weights("w", &[PIXELS, 1], &values)];
    network.to_bytes()
}

#[test]
fn b3_one_score_is_served_as_two_classes() {
    let sigmoid = binary(node("Sigmoid", &["scores"], &["y"]));
    let logit = binary(node("Identity", &["scores"], &["y"]));
    for (onnx, right) in [
        (&sigmoid, OutputKind::Probabilities),
        (&logit, OutputKind::Logits),
    ] {
        for (_, described, _) in served(onnx, 2, &Overrides::default()) {
            let output = &described.version.manifest.output;
            assert_eq!((output.kind, output.classes), (right, 2));
            let choices = choices(&described);
            assert!(
                choices.contains("the negative, then the positive"),
                "{choices}"
            );
        }
        let _ = served(onnx, 2, &kind(right));
    }
    let wrong = refused(&sigmoid, 2, &kind(OutputKind::Logits));
    assert!(
        wrong.contains("a sigmoid at the end of it: probabilities is right"),
        "{wrong}"
    );
    let wrong = refused(&sigmoid, 2, &kind(OutputKind::Independent));
    assert!(
        wrong.contains("one score for two exclusive classes"),
        "{wrong}"
    );
    let wrong = refused(&logit, 2, &kind(OutputKind::Probabilities));
    assert!(
        wrong.starts_with("--output says probabilities, but the network answers "),
        "{wrong}"
    );
    let wrong = refused(&sigmoid, 3, &Overrides::default());
    assert_eq!(
        wrong,
        "the graph has 2 classes, 3 labels are given: its one score is that of the positive class, so two labels belong to it, the negative class first"
    );
}

#[test]
fn b3_bytes_are_left_to_the_network() {
    let inside = |dims: &str| {
        let mut network = logits(dims);
        let graph = network.graph.as_mut().unwrap();
        graph.input = vec![port("pixels", ElementType::U8, dims)];
        graph
            .node
            .insert(0, node("Cast", &["pixels"], &["wide"]).with_int("to", 1));
        graph.node.insert(1, node("Div", &["wide", "full"], &["x"]));
        graph.initializer.push(weights("full", &[], &[255.0]));
        network.to_bytes()
    };
    for (dims, layout) in [("N,3,4,4", Layout::Nchw), ("N,4,4,3", Layout::Nhwc)] {
        for (_, described, _) in served(&inside(dims), 3, &Overrides::default()) {
            let manifest = &described.version.manifest;
            assert_eq!(manifest.input.element, Element::U8);
            assert_eq!(
                (manifest.transform.scale, manifest.transform.layout),
                (1.0, layout)
            );
        }
    }
    let mean = Overrides {
        mean: Some(vec![0.5]),
        ..Overrides::default()
    };
    let wrong = refused(&inside("N,3,4,4"), 3, &mean);
    assert!(
        wrong.contains("takes bytes (uint8), which the network normalises itself"),
        "{wrong}"
    );
}

#[test]
fn b3_open_dimensions_come_from_the_caller() {
    let open = network("N,3,H,W", "N,K", F32, node("Identity", &["scores"], &["y"])).to_bytes();
    let asked = refused(&open, 3, &Overrides::default());
    assert!(
        asked.contains("[N,3,H,W]") && asked.contains("--size WIDTHxHEIGHT"),
        "{asked}"
    );
    let size = Overrides {
        size: Some((2, 8)),
        ..Overrides::default()
    };
    for (_, described, _) in served(&open, 3, &size) {
        let manifest = &described.version.manifest;
        assert_eq!(
            (manifest.transform.width, manifest.transform.height),
            (2, 8)
        );
        assert_eq!(
            (manifest.transform.color, manifest.output.classes),
            (Color::Rgb, 3)
        );
        assert!(choices(&described).contains("transform.size = 2x8 (given)"));
    }
    let wrong = refused(&open, 4, &size);
    assert!(
        wrong.starts_with(
            "the graph leaves the number of classes open, and it isn't the 4 of the labels: "
        ),
        "{wrong}"
    );
    let last = network("N,H,W,3", "N,3", F32, node("Identity", &["scores"], &["y"])).to_bytes();
    for (_, described, _) in served(&last, 3, &size) {
        assert_eq!(described.version.manifest.transform.layout, Layout::Nhwc);
    }
}

#[test]
fn b3_what_holds_no_scores_is_refused_with_what_helps() {
    let argmax = node("ArgMax", &["scores"], &["y"]).with_int("axis", 1);
    let mut network = network("N,48", "N,1", F32, argmax);
    let winner = network.graph.as_mut().unwrap().output[0].r#type.as_mut();
    winner.unwrap().tensor_type.as_mut().unwrap().elem_type = 7;
    let wrong = refused(&network.to_bytes(), 3, &Overrides::default());
    assert!(
        wrong.contains("the winning class (ArgMax)") && wrong.contains("`scores`"),
        "{wrong}"
    );
    network
        .graph
        .as_mut()
        .unwrap()
        .output
        .push(port("scores", F32, "N,3"));
    let named = Overrides {
        output_name: Some("y".into()),
        ..Overrides::default()
    };
    let wrong = refused(&network.to_bytes(), 3, &named);
    assert!(
        wrong.ends_with("`scores` [N,3] would do: --output-name scores"),
        "{wrong}"
    );
    let described = described(&network, &Overrides::default()).unwrap();
    assert_eq!(described.version.manifest.output.name, "scores");
}
