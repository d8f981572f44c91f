//! The command line over a model repository: import, list, show, check.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use stillhouse_engine::{
    Backend,
    ElementType::F32,
    onnx::{
        GraphProto,
        build::{model, node, port, weights},
    },
};
use tempfile::TempDir;

use crate::toy::gray_png;

/// Weights of `net.onnx`, `[64, 3]`.
fn weight(index: u16) -> f32 {
    (f32::from(index) * 0.7).cos()
}

/// A folder with `net.onnx` (three logits of an 8x8 gray picture) and `labels.txt`; its repository is `models/`.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let values: Vec<f32> = (0..64 * 3).map(weight).collect();
        let net = model(
            17,
            GraphProto {
                name: "g".into(),
                node: vec![node("MatMul", &["x", "w"], &["y"])],
                initializer: vec![weights("w", &[64, 3], &values)],
                input: vec![port("x", F32, "N,64")],
                output: vec![port("y", F32, "N,3")],
                ..GraphProto::default()
            },
        );
        let desk = Self(TempDir::new().expect("a folder"));
        fs::write(desk.path("net.onnx"), net.to_bytes()).expect("written");
        fs::write(desk.path("labels.txt"), "cat\ndog\nfox\n").expect("written");
        desk
    }

    /// A repository with the version `pets/v1`.
    fn with_version() -> Self {
        let desk = Self::new();
        let (code, _, errors) =
            desk.run("import net.onnx --model pets --version v1 --labels labels.txt");
        assert_eq!((code, errors.as_str()), (0, ""));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Exit code, standard output, standard error.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STILLHOUSE_")) {
            command.env_remove(name);
        }
        let output = command
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (
            output.status.code().expect("an exit code"),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn json(&self, arguments: &str) -> Value {
        let (_, out, errors) = self.run(arguments);
        serde_json::from_str(&out)
            .unwrap_or_else(|error| panic!("{arguments}: {error} in {out}{errors}"))
    }
}

#[test]
fn an_imported_network_is_listed_shown_and_found_good() {
    let desk = Desk::new();
    let (code, out, errors) =
        desk.run("import net.onnx --model pets --version v1 --labels labels.txt --mean 0.5 --description small");
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    for line in [
        "transform.size = 8x8 (default)",
        "transform.scale = 1/255 (default)",
        "transform.mean = 0.5 (given)",
        "output.kind = logits (observed)",
    ] {
        assert!(out.contains(line), "{out} should say {line}");
    }
    // The model has labels by now.
    let (code, out, errors) = desk.run("import net.onnx --model pets --version v2 --output logits");
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");

    let (code, out, _) = desk.run("models list");
    assert_eq!(code, 0);
    for word in ["pets", "v1", "v2", "8x8 gray", "logits"] {
        assert!(out.contains(word), "{out} should say {word}");
    }
    let list = desk.json("models list --json");
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    assert_eq!(list[0]["manifest"]["transform"]["mean"][0], 0.5);

    let (code, out, _) = desk.run("models show pets/v1");
    assert_eq!(code, 0);
    assert!(
        out.starts_with("# models/pets/v1: ") && out.contains("description = \"small\""),
        "{out}"
    );
    assert_eq!(desk.json("models show pets/v1 --json")["labels"][2], "fox");
    let (code, _, errors) = desk.run("models show pets");
    assert!(code == 1 && errors.contains("v1, v2"), "{errors}");

    // Standard error names the engine that isn't available.
    let (code, out, _) = desk.run("models check");
    assert_eq!(code, 0, "{out}");
    for version in ["pets/v1: good on", "pets/v2: good on"] {
        assert!(out.contains(version), "{out} should say {version}");
    }
}

#[test]
fn damaged_versions_fail_the_check() {
    let desk = Desk::with_version();
    let net = desk.path("models/pets/v1/model.onnx");
    let good = fs::read(&net).expect("it was imported");
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&net, &flipped).expect("written");
    let (code, out, _) = desk.run("models check");
    assert!(
        code == 1 && out.contains("pets/v1: NOT GOOD on files: ") && out.contains("sha256"),
        "{out}"
    );
    assert_eq!(desk.run("models show pets/v1").0, 1);

    fs::write(&net, &good[..middle]).expect("written");
    let (code, out, _) = desk.run("models list");
    assert!(
        code == 0 && out.contains("pets/v1 is not complete: ") && out.contains("bytes"),
        "{out}"
    );
    let check = desk.json("models check --json");
    assert_eq!(
        (&check[0]["good"], &check[0]["checks"][0]["checked"]),
        (&false.into(), &"files".into()),
        "{check}"
    );

    fs::write(&net, &good).expect("written");
    let outputs = desk.path("models/pets/v1/golden/drawn-disc.json");
    fs::write(&outputs, "[0.0, 0.0, 0.0]").expect("written");
    for backend in Backend::compiled_in() {
        let (code, out, _) = desk.run(&format!("models check pets/v1 --engine {backend}"));
        assert!(
            code == 1 && out.contains(&format!("NOT GOOD on {backend}: ")),
            "{out}"
        );
    }
}

#[test]
fn refusals_change_nothing() {
    let desk = Desk::with_version();
    let before = fs::read(desk.path("models/pets/v1/manifest.toml")).expect("it was imported");
    fs::write(desk.path("two.txt"), "cat\ndog\n").expect("written");
    fs::write(desk.path("other.txt"), "cat\nhound\nfox\n").expect("written");
    fs::write(desk.path("noise.onnx"), [7; 99]).expect("written");
    fs::create_dir(desk.path("empty")).expect("made");
    for (arguments, code, part) in [
        (
            "import net.onnx --model pets --version v1",
            1,
            "exists already",
        ),
        (
            "import net.onnx --model pets --version v2 --labels two.txt",
            1,
            "3 classes, 2 labels",
        ),
        (
            "import net.onnx --model pets --version v2 --labels other.txt",
            1,
            "one model has one list of labels",
        ),
        (
            "import net.onnx --model pets --version v2 --output probabilities",
            1,
            "answers logits",
        ),
        (
            "import net.onnx --model pets --version v2 --size 7x9",
            1,
            "no picture with --size 7x9",
        ),
        (
            "import net.onnx --model pets --version v2 --color green",
            2,
            "unknown variant `green`",
        ),
        (
            "import net.onnx --model pets --version v2 --mean 0,1",
            1,
            "mean has 2 numbers",
        ),
        (
            "import net.onnx --model pets --version ../v2",
            2,
            "is no version name",
        ),
        (
            "import net.onnx --model %2e%2e --version v2",
            2,
            "is no model name",
        ),
        (
            "import noise.onnx --model pets --version v2",
            1,
            "noise.onnx can't be served: not an ONNX model",
        ),
        (
            "import nowhere.onnx --model pets --version v2",
            1,
            "nowhere.onnx",
        ),
        (
            "import net.onnx --model pets --version v2 --golden labels.txt",
            1,
            "golden sample `labels`",
        ),
        (
            "import net.onnx --model pets --version v2 --reference labels.txt",
            1,
            ".npy, .json or .csv",
        ),
        (
            "models show pets/v9",
            1,
            "pets has no version v9; it has v1",
        ),
        (
            "models show nobody",
            1,
            "no model `nobody` in models: known here: `pets`",
        ),
        ("models list --models nowhere", 1, "nowhere is missing"),
        (
            "models check --models empty",
            1,
            "there is no version in empty",
        ),
        ("serve --labels labels.txt", 2, "<ONNX>"),
    ] {
        let (found, out, errors) = desk.run(arguments);
        assert!(
            found == code && errors.contains(part),
            "{arguments}: {found} {errors}{out}"
        );
    }
    let left: Vec<_> = fs::read_dir(desk.path("models/pets"))
        .expect("it is there")
        .collect();
    assert_eq!(left.len(), 2, "only v1 and labels.txt: {left:?}");
    assert_eq!(
        fs::read(desk.path("models/pets/v1/manifest.toml")).expect("still there"),
        before
    );
    assert!(!desk.path("models/new").exists());
}

#[test]
fn validation_outputs_become_the_reference() {
    let desk = Desk::new();
    fs::write(desk.path("student.csv"), "2,0,0\n0,2,0\n0,2,0\n0,0,2\n").expect("written");
    fs::write(
        desk.path("teacher.json"),
        "[[2,0,0],[0,2,0],[2,0,0],[0,0,2]]",
    )
    .expect("written");
    let (code, out, errors) = desk.run(
        "import net.onnx --model pets --version v1 --labels labels.txt --reference student.csv --reference-teacher teacher.json",
    );
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let reference = &desk.json("models show pets --json")["manifest"]["reference"];
    assert_eq!(
        (&reference["samples"], &reference["agreement"]),
        (&4.into(), &0.75.into())
    );
    let near = |found: &Value, expected: f64| {
        let found = found.as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    };
    near(&reference["class_ratios"][1], 2.5 / 5.5);
    // For one picture in four: (p − q) 2 with p, q the shares of e² and 1 in e² + 2.
    let (e2, sum) = (2_f64.exp(), 2_f64.exp() + 2.0);
    near(&reference["kl_mean_nats"], (e2 - 1.0) / sum * 2.0 / 4.0);
}

/// Three pictures of 8 x 8: dark, half and half, bright.
fn write_idx(path: &Path) {
    let header = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 8];
    let half = (0..64).map(|i| if i % 8 < 4 { 0 } else { 200 });
    let pixels = [10; 64].into_iter().chain(half).chain([250; 64]);
    fs::write(path, Vec::from_iter(header.into_iter().chain(pixels))).expect("written");
}

#[test]
fn validation_pictures_become_the_reference() {
    let desk = Desk::new();
    write_idx(&desk.path("test-images"));
    let import = "import net.onnx --model pets --labels labels.txt --reference-pictures test-images --version";
    let (code, out, errors) = desk.run(&format!("{import} v1"));
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("reference = 3 pictures (given, the network run on them)"),
        "{out}"
    );
    let of = |version: &str| {
        desk.json(&format!("models show pets/{version} --json"))["manifest"]["reference"].clone()
    };
    let reference = of("v1");
    assert_eq!(reference["samples"], 3);
    let ventiles = &reference["ventiles"];
    // Half of 8 columns at 200: mean and standard deviation are both 100.
    assert_eq!(ventiles["luma_mean"][9], 100.0);
    assert_eq!(ventiles["luma_std"][9], 0.0);
    let near = |found: &Value, expected: f64| {
        let found = found.as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    };
    // The 95 % quantile of 0, 0, 100 is nine tenths of the way from the second to the third.
    near(&ventiles["luma_std"][18], 90.0);
    // ±200 at the edge, two of six columns, and 0 beside it: 2 · 200² / 6, nine tenths of it.
    near(&ventiles["laplacian_variance"][18], 0.9 * 40_000.0 / 3.0);
    assert_eq!(
        (&ventiles["width"][0], &ventiles["height"][0]),
        (&8.0.into(), &8.0.into())
    );
    assert!(ventiles.get("channel_mean_0").is_none() && ventiles.get("margin").is_some());

    // The same pictures as files, and the network's outputs from elsewhere.
    fs::create_dir_all(desk.path("pictures/sub")).expect("a folder");
    for (name, luma) in [("dark", 10), ("sub/bright", 250)] {
        let path = desk.path(&format!("pictures/{name}.png"));
        fs::write(path, gray_png(8, luma)).expect("written");
    }
    // Of one colour everywhere, a picture's logits are the sums of the weights, as often as it is bright.
    let sums = [0, 1, 2].map(|class| (0..64).map(|i| weight(3 * i + class)).sum::<f32>());
    let rows = [10.0, 250.0].map(|luma| sums.map(|sum| sum * luma / 255.0));
    let rows = rows.map(|[a, b, c]| format!("{a},{b},{c}\n"));
    fs::write(desk.path("outputs.csv"), rows.concat()).expect("written");
    let given = "import net.onnx --model pets --reference outputs.csv --reference-pictures";
    let (code, out, errors) = desk.run(&format!("{given} pictures --version v2"));
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert_eq!(of("v2")["ventiles"]["luma_mean"][9], 130.0);
    let best = (0..3).max_by(|a, b| sums[*a].total_cmp(&sums[*b]));
    assert_eq!(of("v2")["class_ratios"][best.expect("a class")], 2.5 / 3.5);

    for (arguments, expected) in [
        (
            format!("{given} test-images --version v3"),
            "--reference has outputs for 2 pictures, --reference-pictures 3 of them",
        ),
        (
            format!("{given} net.onnx --version v3"),
            "net.onnx: no idx file of bytes: it doesn't begin with 0, 0, 8",
        ),
        (
            format!("{given} models/pets/v1 --version v3"),
            "has outputs for 2 pictures, --reference-pictures 4",
        ),
        (
            "import net.onnx --model pets --reference-pictures models/pets --version v3".into(),
            "models/pets: no PNG, JPEG or WebP files in it",
        ),
        (
            "import net.onnx --model pets --reference-teacher outputs.csv --version v3".into(),
            "--reference",
        ),
    ] {
        let (code, out, errors) = desk.run(&arguments);
        assert!(
            code != 0 && errors.contains(expected),
            "{arguments}: {errors}{out}"
        );
        assert!(!desk.path("models/pets/v3").exists());
    }
}

/// A widely used network: SqueezeNet, in both precisions, recognises two photographs.
#[test]
fn squeezenet_knows_a_cat_and_a_coffee() {
    let shared = std::env::var_os("STILLHOUSE_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let there = |name: &str| shared.join(name).display().to_string();
    let network = shared.join("models/squeezenet");
    if !network.is_dir() {
        println!("skipped: {} isn't here", network.display());
        return;
    }
    let desk = Desk::new();
    for file in ["squeezenet_imagenet_fp32", "SqueezeNet_fp16"] {
        let version = file.to_lowercase();
        let (code, out, errors) = desk.run(&format!(
            "import {} --model imagenet --version {version} --labels {} --color bgr --scale 1 --mean 103.939,116.779,123.68 \
             --golden {} --golden {}",
            network.join(file).with_extension("onnx").display(),
            there("models/squeezenet/imagenet_labels.txt"),
            there("photos/chelsea.png"),
            there("photos/coffee.png"),
        ));
        assert_eq!((code, errors.as_str()), (0, ""), "{out}");
        let labels = &desk.json(&format!("models show imagenet/{version} --json"))["labels"];
        for (photo, expected) in [("chelsea", "Egyptian_cat"), ("coffee", "espresso")] {
            let outputs =
                fs::read(desk.path(&format!("models/imagenet/{version}/golden/{photo}.json")));
            let outputs: Vec<f32> =
                serde_json::from_slice(&outputs.expect("recorded")).expect("numbers");
            let best = (0..outputs.len())
                .max_by(|a, b| outputs[*a].total_cmp(&outputs[*b]))
                .expect("scores");
            assert_eq!(labels[best], expected, "{photo} by {version}");
        }
    }
    let (code, out, _) = desk.run("models check");
    assert_eq!(code, 0, "{out}");
}
