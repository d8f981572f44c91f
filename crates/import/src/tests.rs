mod exporters;

use stillhouse_engine::{
    Backend, Device,
    ElementType::{F16, F32},
    Priority,
    onnx::{
        GraphProto, ModelProto, NodeProto, StringStringEntryProto,
        build::{half_weights, integers, model, node, port, weights},
    },
    prepare,
};
use tempfile::TempDir;

use super::*;
use stillhouse_golden::preflight;
use stillhouse_image::{Color, Layout};
use stillhouse_store::{
    Repository,
    manifest::{Element, OutputKind},
};

const PIXELS: usize = 48;

/// Flatten → Gemm into three scores → `end`, for pictures of 48 numbers in any shape.
fn network(input: &str, output: &str, element: ElementType, end: NodeProto) -> ModelProto {
    let values: Vec<f32> = (0..PIXELS * 3).map(|i| (i as f32 * 1.7).sin()).collect();
    let w = match element {
        F32 => weights("w", &[PIXELS, 3], &values),
        F16 => half_weights("w", &[PIXELS, 3], &values),
        ElementType::U8 => unreachable!("weights aren't bytes"),
    };
    model(
        17,
        GraphProto {
            name: "g".into(),
            node: vec![
                node("Flatten", &["x"], &["flat"]),
                node("MatMul", &["flat", "w"], &["scores"]),
                end,
            ],
            initializer: vec![w],
            input: vec![port("x", element, input)],
            output: vec![port("y", element, output)],
            ..GraphProto::default()
        },
    )
}

fn logits(input: &str) -> ModelProto {
    network(input, "N,3", F32, node("Identity", &["scores"], &["y"]))
}

fn softmax(input: &str) -> ModelProto {
    network(
        input,
        "N,3",
        F32,
        node("Softmax", &["scores"], &["y"]).with_int("axis", -1),
    )
}

fn labels() -> Labels {
    Labels::parse("cat\ndog\nfox").unwrap()
}

fn every_engine() -> Vec<EngineOptions> {
    let library = stillhouse_engine::find_library(None);
    let there = |backend: &&Backend| **backend != Backend::Ort || library.is_some();
    let options = |backend: &Backend| EngineOptions {
        backend: *backend,
        device: Device::Cpu,
        fallback: false,
        intra_threads: 1,
        library: library.clone(),
        hints: Default::default(),
    };
    let engines: Vec<EngineOptions> = Backend::compiled_in()
        .iter()
        .filter(there)
        .map(options)
        .collect();
    if !engines.iter().any(|engine| engine.backend == Backend::Ort) {
        println!("skipped: ONNX Runtime, whose library isn't here");
    }
    assert!(!engines.is_empty(), "no engine was compiled in");
    engines
}

fn describe_with(
    network: &ModelProto,
    overrides: &Overrides,
    engine: &EngineOptions,
) -> Result<Described, ImportError> {
    describe(
        &network.to_bytes(),
        &labels(),
        overrides,
        Vec::new(),
        engine,
        &prepare,
    )
}

/// What `network` becomes on the first engine.
fn described(network: &ModelProto, overrides: &Overrides) -> Result<Described, ImportError> {
    describe_with(network, overrides, &every_engine()[0])
}

fn files(described: &Described) -> VersionFiles {
    let (model, version) = ("pets".parse().unwrap(), "v1".parse().unwrap());
    described
        .version
        .files(&model, &version, Path::new("v1"))
        .unwrap()
}

/// The reason why `files` are refused, which is the same on every engine.
fn refusal(files: &VersionFiles) -> String {
    let messages: Vec<String> = every_engine()
        .iter()
        .map(|engine| {
            preflight(files, engine, &prepare, Priority::Foreground)
                .unwrap_err()
                .to_string()
        })
        .collect();
    assert!(
        messages.iter().all(|one| *one == messages[0]),
        "{messages:?}"
    );
    messages[0].clone()
}

#[test]
fn every_shape_is_described_and_reproduced_on_every_engine() {
    let half = network("N,1,6,8", "N,3", F16, node("Identity", &["scores"], &["y"]));
    let mut unsqueezed = network(
        "N,3,4,4",
        "N,3,1,1",
        F32,
        node("Unsqueeze", &["scores", "axes"], &["y"]),
    );
    let axes = integers("axes", &[2, 3]);
    unsqueezed.graph.as_mut().unwrap().initializer.push(axes);
    use OutputKind::{Logits, Probabilities};
    for (name, network, size, layout, kind) in [
        ("nchw", logits("N,3,4,4"), (4, 4), Layout::Nchw, Logits),
        ("nhwc", logits("N,4,4,3"), (4, 4), Layout::Nhwc, Logits),
        ("gray", logits("N,1,6,8"), (8, 6), Layout::Nchw, Logits),
        (
            "without channels",
            logits("N,6,8"),
            (8, 6),
            Layout::Nchw,
            Logits,
        ),
        ("flat", logits("N,48"), (4, 4), Layout::Nchw, Logits),
        (
            "softmax",
            softmax("N,4,4,3"),
            (4, 4),
            Layout::Nhwc,
            Probabilities,
        ),
        ("half", half, (8, 6), Layout::Nchw, Logits),
        ("[N,K,1,1]", unsqueezed, (4, 4), Layout::Nchw, Logits),
        (
            "fixed batch",
            network("1,3,4,4", "1,3", F32, node("Identity", &["scores"], &["y"])),
            (4, 4),
            Layout::Nchw,
            Logits,
        ),
    ] {
        for engine in every_engine() {
            let described = describe_with(&network, &Overrides::default(), &engine);
            let described =
                described.unwrap_or_else(|error| panic!("{name} on {}: {error}", engine.backend));
            let manifest = &described.version.manifest;
            let found = (
                (manifest.transform.width, manifest.transform.height),
                manifest.transform.layout,
                manifest.output.kind,
            );
            assert_eq!(found, (size, layout, kind), "{name}");
            assert_eq!(
                (manifest.input.name.as_str(), manifest.output.name.as_str()),
                ("x", "y"),
                "{name}"
            );
            for other in every_engine() {
                let trial = preflight(&files(&described), &other, &prepare, Priority::Foreground);
                trial.unwrap_or_else(|error| {
                    panic!(
                        "{name} from {} on {}: {error}",
                        engine.backend, other.backend
                    )
                });
            }
        }
    }
}

#[test]
fn decisions_say_whose_they_are() {
    let choices_of = |network: &ModelProto, overrides: &Overrides| {
        let described = described(network, overrides).unwrap();
        let choices: Vec<String> = described.choices.iter().map(ToString::to_string).collect();
        choices[choices.len() - 3..].join("; ")
    };
    assert_eq!(
        choices_of(&logits("N,48"), &Overrides::default()),
        "golden = 4 pictures (default); output.name = y (graph); output.kind = logits (observed)"
    );
    assert_eq!(
        choices_of(&softmax("N,48"), &Overrides::default()),
        "golden = 4 pictures (default); output.name = y (graph); output.kind = probabilities (graph)"
    );
    let given = Overrides {
        output_kind: Some(OutputKind::Probabilities),
        output_name: Some("y".into()),
        ..Overrides::default()
    };
    assert_eq!(
        choices_of(&softmax("N,48"), &given),
        "golden = 4 pictures (default); output.name = y (given); output.kind = probabilities (given)"
    );
}

#[test]
fn of_several_outputs_one_is_named_and_found_again() {
    let mut network = logits("N,48");
    let graph = network.graph.as_mut().unwrap();
    graph
        .node
        .push(node("Softmax", &["scores"], &["p"]).with_int("axis", -1));
    graph.output.push(port("p", F32, "N,3"));
    let kind = |name: Option<&str>| {
        let overrides = Overrides {
            output_name: name.map(Into::into),
            ..Overrides::default()
        };
        let described = described(&network, &overrides).unwrap();
        for engine in every_engine() {
            preflight(&files(&described), &engine, &prepare, Priority::Foreground).unwrap();
        }
        described.version.manifest.output
    };
    assert_eq!(kind(None), Output::new("y", OutputKind::Logits, 3));
    assert_eq!(
        kind(Some("p")),
        Output::new("p", OutputKind::Probabilities, 3)
    );
    let overrides = Overrides {
        output_name: Some("q".into()),
        ..Overrides::default()
    };
    let error = described(&network, &overrides).unwrap_err().to_string();
    assert!(error.contains("no output `q`"), "{error}");
}

#[test]
fn what_does_not_fit_is_refused_with_both_values() {
    let check = |network: ModelProto, labels: &str, overrides: Overrides, expected: &str| {
        let labels = Labels::parse(labels).unwrap();
        let found = describe(
            &network.to_bytes(),
            &labels,
            &overrides,
            Vec::new(),
            &every_engine()[0],
            &prepare,
        );
        let error = found.unwrap_err().to_string();
        assert!(
            error.starts_with(expected),
            "{error}\nshould be\n{expected}"
        );
    };
    let none = Overrides::default;
    check(
        logits("N,48"),
        "a\nb",
        none(),
        "the graph has 3 classes, 2 labels are given: many networks have a class 0 for the background",
    );
    check(
        logits("N,48"),
        "a\nb\nc\nd",
        none(),
        "the graph has 3 classes, 4 labels are given: one line of the label file belongs to each class",
    );
    check(
        logits("N,2,24"),
        "a\nb\nc",
        Overrides {
            color: Some(Color::Rgb),
            ..none()
        },
        "no picture with --color rgb has the shape of input `x`, [N,2,24]",
    );
    let kind = |kind| Overrides {
        output_kind: Some(kind),
        ..none()
    };
    check(
        logits("N,48"),
        "a\nb\nc",
        kind(OutputKind::Probabilities),
        "--output says probabilities, but the network answers logits (output ",
    );
    check(
        softmax("N,48"),
        "a\nb\nc",
        kind(OutputKind::Logits),
        "--output says logits, but the network answers probabilities (every row is non-negative and sums to 1)",
    );
    let mut outside = logits("N,48");
    let weights = &mut outside.graph.as_mut().unwrap().initializer[0];
    weights.data_location = 1;
    weights.external_data = vec![StringStringEntryProto {
        key: "location".into(),
        value: "/etc/passwd".into(),
    }];
    check(
        outside,
        "a\nb\nc",
        none(),
        "tensor `w` keeps its data in another file (`/etc/passwd`)",
    );
    let huge = network("N,48", "N,3", F32, node("Exp", &["scores"], &["y"]));
    let overrides = Overrides {
        scale: Some(1e30),
        ..none()
    };
    check(
        huge,
        "a\nb\nc",
        overrides,
        "golden sample `drawn-ramp` is not reproduced: output",
    );
}

/// Faults 18: the right file with a manifest that contradicts it.
#[test]
fn a_manifest_that_contradicts_the_graph_is_refused_with_both_values() {
    let good = files(&described(&logits("N,3,4,4"), &Overrides::default()).unwrap());
    let check = |change: &dyn Fn(&mut Manifest), parts: &[&str]| {
        let mut files = good.clone();
        change(&mut files.manifest);
        let message = refusal(&files);
        for part in parts {
            assert!(message.contains(part), "{message} should contain {part}");
        }
    };
    check(&|m| m.output.classes = 4, &["output.classes", "4", "3"]);
    check(&|m| m.transform.width = 5, &["[3, 4, 5]", "[3, 4, 4]"]);
    check(
        &|m| m.input.name = "pixels".into(),
        &["input.name", "pixels", "x"],
    );
    check(
        &|m| m.input.element = Element::F16,
        &["input.element", "f16", "f32"],
    );
    check(
        &|m| m.output.kind = OutputKind::Probabilities,
        &["output.kind", "probabilities", "logits"],
    );
    check(&|m| m.output.name = "z".into(), &["z", "y"]);
    // What only the samples reveal: another scale, the wrong channel order, the wrong layout in a flat row.
    check(&|m| m.transform.scale *= 1.1, &["golden sample `drawn-"]);
    check(
        &|m| m.transform.color = Color::Bgr,
        &["golden sample `drawn-"],
    );
}

/// Faults 16: a manifest written for damaged bytes passes every hash; the samples still find it.
#[test]
fn damaged_weights_are_found_behind_a_fitting_hash() {
    let network = logits("N,48");
    let good = described(&network, &Overrides::default()).unwrap();
    let mut bad = network.clone();
    let weights = &mut bad.graph.as_mut().unwrap().initializer[0];
    let mut raw = weights.raw_data.to_vec();
    // The highest mantissa bit of one weight out of 144: no label need change.
    raw[4 * 70 + 2] ^= 0x40;
    weights.raw_data = raw.into();
    let mut version = good.version;
    version.model_bytes = bad.to_bytes();
    let (model, name) = ("pets".parse().unwrap(), "v1".parse().unwrap());
    let files = version.files(&model, &name, Path::new("v1")).unwrap();
    assert!(
        refusal(&files).starts_with("golden sample `drawn-"),
        "{}",
        refusal(&files)
    );
}

#[test]
fn what_is_imported_is_read_and_served_again() {
    let root = TempDir::new().unwrap();
    let repository = Repository::open(root.path()).unwrap();
    let (model, version) = ("pets".parse().unwrap(), "v1".parse().unwrap());
    let transform = described(&softmax("N,4,4,3"), &Overrides::default())
        .unwrap()
        .version
        .manifest
        .transform;
    let pictures = named(drawn(&transform)[..2].to_vec());
    let overrides = Overrides {
        color: Some(Color::Bgr),
        mean: Some(vec![0.5, 0.25, 0.125]),
        std: Some(vec![0.5]),
        description: "three pets".into(),
        ..Overrides::default()
    };
    let network = softmax("N,4,4,3").to_bytes();
    let mut new = describe(
        &network,
        &labels(),
        &overrides,
        pictures,
        &every_engine()[0],
        &prepare,
    )
    .unwrap()
    .version;
    let outputs = outputs::Outputs::new(vec![vec![0.1, 0.2, 0.7], vec![0.9, 0.1, 0.0]]).unwrap();
    new.manifest.reference = Some(reference::measure(&outputs, Some(&outputs), None).unwrap());
    let written = repository.write_version(&model, &version, &new).unwrap();
    let read = repository.read(&model, &version).unwrap();
    assert_eq!(read.manifest, written.manifest);
    assert_eq!(read.golden, written.golden);
    assert_eq!(read.model_bytes, network);
    assert_eq!(read.manifest.transform.mean, [0.5, 0.25, 0.125]);
    assert_eq!(
        read.manifest.reference.as_ref().unwrap().agreement,
        Some(1.0)
    );
    assert_eq!(read.manifest.golden[0].image, "golden/drawn-ramp.png");
    for engine in every_engine() {
        preflight(&read, &engine, &prepare, Priority::Foreground).unwrap();
    }
}

#[test]
fn a_standalone_network_is_served_from_memory_and_leaves_nothing() {
    let standalone = described(&logits("N,48"), &Overrides::default()).unwrap();
    let standalone = standalone
        .into_standalone(Path::new("some/where/My Net_v2.onnx"))
        .unwrap();
    assert_eq!(
        (
            standalone.files.model.as_str(),
            standalone.files.version.as_str()
        ),
        ("my-net_v2", "local")
    );
    let picture = standalone
        .files
        .path
        .join(&standalone.files.manifest.golden[0].image);
    assert_eq!(
        std::fs::read(&picture).unwrap(),
        standalone.files.golden[0].image
    );
    for engine in every_engine() {
        preflight(&standalone.files, &engine, &prepare, Priority::Foreground).unwrap();
    }
    drop(standalone);
    assert!(!picture.exists());
}

#[test]
fn files_name_models() {
    let name = |file: &str| model_name(Path::new(file)).to_string();
    assert_eq!(name("SqueezeNet_fp16.onnx"), "squeezenet_fp16");
    assert_eq!(name("/a/b.c.onnx"), "b.c");
    assert_eq!(name("-_.x.onnx"), "x");
    assert_eq!(name("сеть.onnx"), "model");
    assert_eq!(name("..").len(), "model".len());
    assert_eq!(name(&format!("{}.onnx", "a".repeat(100))), "a".repeat(64));
}

#[test]
fn small_outputs_are_held_to_a_small_tolerance() {
    let tolerances = |scale: f32| {
        let overrides = Overrides {
            scale: Some(scale),
            ..Overrides::default()
        };
        let golden = described(&logits("N,48"), &overrides)
            .unwrap()
            .version
            .golden;
        golden
            .into_iter()
            .map(|golden| golden.tolerance)
            .collect::<Vec<_>>()
    };
    assert_eq!(tolerances(1.0), [1e-3; 4]);
    assert!(
        tolerances(1e-4)
            .iter()
            .all(|tolerance| (1e-6..1e-4).contains(tolerance)),
        "{:?}",
        tolerances(1e-4)
    );
    assert!(
        tolerances(1e-12)
            .iter()
            .all(|tolerance| (0.9e-6..1.1e-6).contains(tolerance))
    );
}

#[test]
fn useless_samples_are_reported() {
    let reported = |overrides: &Overrides| {
        let choices = described(&logits("N,48"), overrides).unwrap().choices;
        choices.iter().any(|choice| {
            choice
                .value
                .contains("every picture gives the same outputs")
        })
    };
    assert!(!reported(&Overrides::default()));
    assert!(reported(&Overrides {
        std: Some(vec![1e12]),
        mean: Some(vec![1e12]),
        ..Overrides::default()
    }));
}

#[test]
fn a_quantised_softmax_is_not_softmaxed_again() {
    // Steps of 0.3: no row of them sums to 1.
    let mut rounded = softmax("N,48");
    let graph = rounded.graph.as_mut().unwrap();
    graph.node[2].output = vec!["p".into()];
    graph
        .node
        .push(node("QuantizeLinear", &["p", "step"], &["q"]));
    graph
        .node
        .push(node("DequantizeLinear", &["q", "step"], &["y"]));
    graph.initializer.push(weights("step", &[], &[0.3]));
    let outcome = described(&rounded, &Overrides::default());
    if stillhouse_engine::find_library(None).is_none() {
        // tract's back end leaves the quantisation of a softmax out, so its rows do sum to 1.
        let manifest = outcome.unwrap().version.manifest;
        assert_eq!(manifest.output.kind, OutputKind::Probabilities);
        return;
    }
    let error = outcome.unwrap_err().to_string();
    assert!(
        error.starts_with("the graph ends in a softmax, but a row sums to "),
        "{error}"
    );
    let meant = Overrides {
        output_kind: Some(OutputKind::Logits),
        ..Overrides::default()
    };
    assert_eq!(
        described(&rounded, &meant)
            .unwrap()
            .version
            .manifest
            .output
            .kind,
        OutputKind::Logits
    );
}
