use std::{
    ffi::CString,
    fs,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{
    manifest::{Element, Input, Output, OutputKind, Reference, Training},
    *,
};
use stillhouse_image::{Color, Resize, Transform};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest";

pub(super) fn new_version() -> NewVersion {
    let input = Input::new("pixels", Element::F32);
    let transform = Transform {
        mean: vec![0.5],
        std: vec![0.25],
        ..Transform::plain(Color::Gray, 2, 3)
    };
    let output = Output::new("scores", OutputKind::Logits, 3);
    NewVersion {
        manifest: Manifest {
            description: "for tests".into(),
            training: Some(Training {
                temperature: Some(4.0),
                alpha: Some(0.9),
                ..Training::default()
            }),
            reference: Some(Reference {
                samples: 100,
                class_ratios: vec![0.25, 0.25, 0.5],
                agreement: Some(0.98),
                ventiles: [("margin".to_owned(), (0..19).map(f64::from).collect())].into(),
                ..Reference::default()
            }),
            ..Manifest::new(input, transform, output)
        },
        labels: Labels::parse("cat\ndog\nT-shirt/top").unwrap(),
        model_bytes: Bytes::from_static(b"the network's bytes"),
        golden: vec![
            Golden {
                name: "one".into(),
                image: PNG.into(),
                outputs: vec![1e-7, -2.5, 3e38],
                tolerance: 1e-3,
            },
            Golden {
                name: "two".into(),
                image: PNG.into(),
                outputs: vec![0.1, 0.2, 0.3],
                tolerance: 0.0,
            },
        ],
    }
}

/// A repository for one test.
pub(super) struct Stage {
    root: TempDir,
    pub(super) repository: Repository,
    pub(super) model: ModelName,
    version: VersionName,
}

impl Stage {
    /// A repository with the version `pets/v1`.
    pub(super) fn new() -> Self {
        let root = TempDir::new().unwrap();
        let repository = Repository::open(root.path()).unwrap();
        let (model, version) = ("pets".parse().unwrap(), "v1".parse().unwrap());
        repository
            .write_version(&model, &version, &new_version())
            .unwrap();
        Self {
            root,
            repository,
            model,
            version,
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("pets/v1").join(name)
    }

    pub(super) fn read(&self) -> Result<VersionFiles, StoreError> {
        self.repository.read(&self.model, &self.version)
    }

    /// The error of a read after `break_it`, without the temporary path; before, the version must have been valid.
    fn refusal(break_it: impl FnOnce(&Self)) -> String {
        let stage = Self::new();
        stage.read().unwrap();
        break_it(&stage);
        let error = stage
            .read()
            .expect_err("a broken version was read")
            .to_string();
        error.replace(&format!("{}/", stage.root.path().display()), "")
    }

    fn edit_manifest(&self, from: &str, to: &str) {
        let path = self.path("manifest.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from:?} isn't in\n{text}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

fn mkfifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        CString::new(path.as_os_str().as_bytes()).unwrap(),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
}

#[test]
fn what_is_written_is_read_again() {
    let stage = Stage::new();
    let new = new_version();
    let read = stage.read().unwrap();
    assert_eq!(read.model_bytes, new.model_bytes);
    assert_eq!(read.labels, new.labels);
    assert_eq!(read.golden, new.golden);
    assert_eq!(read.path, stage.path("").join(""));
    assert_eq!(read.manifest.file.size_bytes, 19);
    // sha256sum's answer for the same bytes.
    assert_eq!(
        read.manifest.file.sha256,
        "2568f9ccc4c4ceb0f190b0715a7b9b70cf5a2bbf771571c2086ce677b253fa16"
    );
    assert_eq!(read.manifest.golden[1].image, "golden/two.png");
    let expected = Manifest {
        file: read.manifest.file.clone(),
        golden: read.manifest.golden.clone(),
        ..new.manifest
    };
    assert_eq!(read.manifest, expected);
    assert_eq!(
        stage.repository.models().unwrap(),
        ["pets".parse().unwrap()]
    );
    assert_eq!(
        stage.repository.versions(&stage.model).unwrap(),
        ["v1".parse().unwrap()]
    );
    assert_eq!(stage.repository.labels(&stage.model).unwrap(), new.labels);
    let left: Vec<_> = fs::read_dir(stage.root.path().join("pets"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "temporary files were left: {left:?}");
}

#[test]
fn a_damaged_network_is_refused() {
    let model = |stage: &Stage| stage.path("model.onnx");
    for (break_it, expected) in [
        (
            Box::new(|s: &Stage| fs::write(model(s), "the network's byte").unwrap())
                as Box<dyn FnOnce(&Stage)>,
            "pets/v1/model.onnx has 18 bytes, its manifest says 19: the file was cut or replaced",
        ),
        (
            Box::new(|s: &Stage| fs::write(model(s), "").unwrap()),
            "pets/v1/model.onnx has 0 bytes, its manifest says 19: the file was cut or replaced",
        ),
        (
            Box::new(|s: &Stage| fs::write(model(s), "the network's bytesX").unwrap()),
            "pets/v1/model.onnx has 20 bytes, its manifest says 19: the file was cut or replaced",
        ),
        (
            Box::new(|s: &Stage| fs::remove_file(model(s)).unwrap()),
            "pets/v1/model.onnx is missing",
        ),
    ] {
        assert_eq!(Stage::refusal(break_it), expected);
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let stage = Stage::new();
    let good = new_version().model_bytes;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(stage.path("model.onnx"), bytes).unwrap();
        assert!(
            matches!(stage.read(), Err(StoreError::Sha256 { .. })),
            "bit {bit}"
        );
    }
    fs::write(stage.path("model.onnx"), &good).unwrap();
    assert_eq!(stage.read().unwrap().model_bytes, good);
}

#[test]
fn only_ordinary_files_with_one_name_are_read() {
    for file in [
        "model.onnx",
        "manifest.toml",
        "golden/one.png",
        "golden/two.json",
        "../labels.txt",
    ] {
        let shown = if file == "../labels.txt" {
            "pets/labels.txt".into()
        } else {
            format!("pets/v1/{file}")
        };
        let refusal = |replace: &dyn Fn(&Path, &Path)| {
            Stage::refusal(|stage| {
                let (path, aside) = (stage.path(file), stage.root.path().join("aside"));
                fs::rename(&path, &aside).unwrap();
                replace(&path, &aside);
            })
        };
        let one = |found: &str| {
            format!("{shown} is a {found}: only an ordinary file is read, never what it points to")
        };
        assert_eq!(
            refusal(&|path, aside| symlink(aside, path).unwrap()),
            one("symbolic link")
        );
        assert_eq!(
            refusal(&|path, _| symlink("/nowhere", path).unwrap()),
            one("symbolic link")
        );
        assert_eq!(refusal(&|path, _| mkfifo(path)), one("FIFO"));
        assert_eq!(
            refusal(&|path, _| fs::create_dir(path).unwrap()),
            one("directory")
        );
        assert_eq!(
            refusal(&|path, _| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
            one("socket")
        );
        assert_eq!(
            refusal(&|path, aside| fs::hard_link(aside, path).unwrap()),
            format!("{shown} has 2 hard links: only a file with one name is read; copy it instead")
        );
        assert_eq!(refusal(&|_, _| ()), format!("{shown} is missing"));
    }
}

#[test]
fn devices_are_refused_unopened() {
    let folder = Folder::open(Path::new("/dev")).unwrap();
    let error = folder.read("zero", 100).unwrap_err().to_string();
    assert_eq!(
        error,
        "/dev/zero is a device: only an ordinary file is read, never what it points to"
    );
}

#[test]
fn linked_directories_are_not_walked() {
    for folder in ["pets", "pets/v1", "pets/v1/golden"] {
        let error = Stage::refusal(|stage| {
            let (path, aside) = (
                stage.root.path().join(folder),
                stage.root.path().join("aside"),
            );
            fs::rename(&path, &aside).unwrap();
            symlink(aside, path).unwrap();
        });
        let expected =
            "is a symbolic link: only an ordinary directory is read, never what it points to";
        assert_eq!(error, format!("{folder} {expected}"));
    }
}

#[test]
fn sizes_are_limited_before_anything_is_read() {
    let stage = Stage::new();
    let small = stage.repository.clone().with_max_model_bytes(18);
    let error = small
        .read(&stage.model, &stage.version)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("model.onnx has 19 bytes: at most 18 are read"),
        "{error}"
    );
    // A sparse file of 8 TiB: reading it would fill the memory.
    fs::File::options()
        .write(true)
        .open(stage.path("golden/one.png"))
        .unwrap()
        .set_len(8 << 40)
        .unwrap();
    let error = stage.read().unwrap_err().to_string();
    assert!(
        error.ends_with("one.png has 8796093022208 bytes: at most 16777216 are read"),
        "{error}"
    );
}

#[test]
fn a_file_replaced_while_loading_is_served_as_it_was_hashed() {
    let stage = Stage::new();
    let path = stage.path("model.onnx");
    let good = new_version().model_bytes;
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Another file of the same length is renamed over it, and the right one back, over and over.
        scope.spawn(|| {
            let mut round = 0_usize;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let bytes = if round.is_multiple_of(2) {
                    vec![b'x'; good.len()]
                } else {
                    good.to_vec()
                };
                let beside = stage.path(".beside");
                fs::write(&beside, bytes).unwrap();
                fs::rename(&beside, &path).unwrap();
                round += 1;
            }
        });
        let mut served = 0;
        let mut refused = 0;
        while served < 100 || refused < 100 {
            match stage.read() {
                Ok(version) => {
                    assert_eq!(version.model_bytes, good, "served what wasn't hashed");
                    served += 1;
                }
                // While one is renamed over the other, the one opened already has no name left.
                Err(StoreError::Sha256 { .. } | StoreError::HardLinks { links: 0, .. }) => {
                    refused += 1
                }
                Err(other) => panic!("{other}"),
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_half_copied_version_is_not_seen() {
    let stage = Stage::new();
    let (from, to) = (stage.path(""), stage.root.path().join("pets/v2"));
    let seen = || {
        let versions = stage.repository.versions(&stage.model).unwrap();
        versions.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let model = fs::read(from.join("model.onnx")).unwrap();
    fs::create_dir_all(to.join("golden")).unwrap();
    assert_eq!(seen(), ["v1"]);
    let manifest = fs::read_to_string(from.join("manifest.toml")).unwrap();
    fs::write(to.join("manifest.toml"), &manifest[..manifest.len() / 2]).unwrap();
    assert_eq!(seen(), ["v1"], "half a manifest");
    fs::write(to.join("manifest.toml"), &manifest).unwrap();
    assert_eq!(seen(), ["v1"], "no network");
    for name in ["one.png", "one.json", "two.png", "two.json"] {
        fs::copy(from.join("golden").join(name), to.join("golden").join(name)).unwrap();
    }
    fs::write(to.join("model.onnx"), &model[..10]).unwrap();
    assert_eq!(seen(), ["v1"], "half a network");
    let why = stage
        .repository
        .directories(&stage.model)
        .unwrap()
        .remove(1)
        .manifest
        .unwrap_err()
        .to_string();
    assert!(
        why.ends_with(
            "model.onnx has 10 bytes, its manifest says 19: the file was cut or replaced"
        ),
        "{why}"
    );
    fs::write(to.join("model.onnx"), &model).unwrap();
    assert_eq!(seen(), ["v1", "v2"]);
    fs::remove_file(to.join("golden/two.json")).unwrap();
    assert_eq!(seen(), ["v1"], "no outputs");
}

#[test]
fn what_is_no_model_is_not_listed() {
    let stage = Stage::new();
    fs::create_dir(stage.root.path().join("Upper")).unwrap();
    fs::create_dir(stage.root.path().join(".hidden")).unwrap();
    fs::write(stage.root.path().join("file"), "").unwrap();
    symlink(
        stage.root.path().join("pets"),
        stage.root.path().join("link"),
    )
    .unwrap();
    assert_eq!(
        stage.repository.models().unwrap(),
        std::slice::from_ref(&stage.model)
    );
    for version in ["v10", "v9"] {
        stage
            .repository
            .write_version(&stage.model, &version.parse().unwrap(), &new_version())
            .unwrap();
    }
    let versions = stage.repository.versions(&stage.model).unwrap();
    assert_eq!(
        versions.iter().map(VersionName::as_str).collect::<Vec<_>>(),
        ["v1", "v9", "v10"]
    );

    let nobody = "nobody".parse().unwrap();
    let error = stage.repository.versions(&nobody).unwrap_err().to_string();
    assert!(error.ends_with("nobody is missing"), "{error}");
    let missing = stage.root.path().join("nowhere");
    assert_eq!(
        Repository::open(&missing).unwrap_err().to_string(),
        format!("{} is missing", missing.display())
    );
    assert!(Repository::open(stage.root.path().join("file")).is_err());
}

#[test]
fn wrong_manifests_are_refused_with_both_values() {
    let check = |from: &str, to: &str, expected: &str| {
        let message = Stage::refusal(|stage| stage.edit_manifest(from, to));
        assert_eq!(
            message,
            format!("pets/v1/manifest.toml{expected}"),
            "{from:?} → {to:?}"
        );
    };
    check(
        "schema = 1",
        "schema = 2\nnew = 1",
        ": `schema` is 2: this stillhouse reads up to 1; the version was written by a newer one",
    );
    check(
        "schema = 1",
        "schema = 0",
        ": `schema` is 0: this stillhouse writes 1",
    );
    check(
        "color = ",
        "colour = ",
        ":14: unknown key `transform.colour`: did you mean `color`?\npets/v1/manifest.toml:13: key `transform.color` is missing",
    );
    check(
        "\"logits\"",
        "\"logit\"",
        ":27: `output.kind`: `logit` is no value for it: did you mean `logits`?",
    );
    check(
        "classes = 3",
        "classes = 4",
        ": `reference.class_ratios` is 3 numbers: 4 belong here, one a class",
    );
    for name in [
        "../model.onnx",
        "/etc/passwd",
        "golden/one.png",
        "",
        ".hidden",
        "a\\u0000b",
        "modеl.onnx",
        "%2e%2e",
        "a\\\\b",
    ] {
        let message = Stage::refusal(|stage| {
            stage.edit_manifest("name = \"model.onnx\"", &format!("name = \"{name}\""))
        });
        assert!(
            message.contains("`file.name` is `") && message.is_ascii(),
            "{name:?}: {message}"
        );
    }
    for path in [
        "../labels.txt",
        "golden/../../labels.txt",
        "/etc/passwd",
        "golden//one.png",
        "./golden/one.png",
        "golden/one.png/",
    ] {
        check(
            "golden/one.png",
            path,
            &format!(
                ": `golden[0].image` is `{path}`: a path below the version's directory belongs here, e.g. `golden/cat.png`"
            ),
        );
    }
    check(
        "size_bytes = 19",
        "size_bytes = 0",
        ": `file.size_bytes` is 0: an empty file is no network",
    );
    check(
        "sha256 = \"",
        "sha256 = \"0",
        &format!(
            ": `file.sha256` is `0{}`: 64 lower-case hexadecimal digits belong here",
            "2568f9ccc4c4ceb0f190b0715a7b9b70cf5a2bbf771571c2086ce677b253fa16"
        ),
    );
    check(
        "tolerance = 0.0\n",
        "tolerance = nan\n",
        ": `golden[1].tolerance` is NaN: a number from 0 to 0.1 belongs here",
    );
    check(
        "tolerance = 0.0\n",
        "tolerance = 0.2\n",
        ": `golden[1].tolerance` is 0.2: a number from 0 to 0.1 belongs here",
    );
    check(
        "temperature = 4.0",
        "temperature = 0.0",
        ": `training.temperature` is 0: a number above 0 belongs here",
    );
    check(
        "alpha = 0.9",
        "alpha = 1.5",
        ": `training.alpha` is 1.5: a share from 0 to 1 belongs here",
    );
    check(
        "alpha = 0.9",
        "created = 'monday'",
        ": `training.created` is `monday`: a time belongs here, e.g. 2025-01-31T12:00:00Z",
    );
    check(
        "samples = 100",
        "samples = 0",
        ": `reference.samples` is 0: nothing is known from no picture: leave [reference] out",
    );
    check(
        "0.25, 0.5]",
        "0.25, 0.25]",
        ": `reference.class_ratios` is a list with the sum 0.75: shares sum to 1",
    );
    check(
        "agreement = 0.98",
        "agreement = inf",
        ": `reference.agreement` is inf: a share from 0 to 1 belongs here",
    );
    check(
        "agreement = 0.98",
        "kl_mean_nats = -0.1",
        ": `reference.kl_mean_nats` is -0.1: a number from 0 to inf belongs here",
    );
    check(
        "margin = [",
        "margins = [",
        ": `reference.ventiles.margins` is unknown: did you mean `margin`?",
    );
    check(
        "margin = [",
        "margin = [-1.0, ",
        ": `reference.ventiles.margin` is 20 numbers: the 19 quantiles 5 %, 10 % ... 95 % belong here",
    );
    check(
        "agreement = 0.98",
        "tail_ratios = { margin = [0.0, 0.1] }",
        ": `reference.tail_ratios.margin` is [0.0, 0.1]: shares are above 0 and below 1",
    );
    check(
        "agreement = 0.98",
        "tail_ratios = { margins = [0.1, 0.1] }",
        ": `reference.tail_ratios.margins` is without quantiles: a name of `reference.ventiles` belongs here",
    );
}

#[test]
fn b1_thresholds_belong_to_independent_scores() {
    let refusal = |from: &str, to: &str| {
        let refused = |stage: &Stage| stage.edit_manifest(from, to);
        Stage::refusal(refused)
    };
    let kind = "kind = \"logits\"";
    for (to, part) in [
        (
            "kind = \"logits\"\nthresholds = [0.5]",
            "they belong to `kind = \"independent\"` alone",
        ),
        (
            "kind = \"independent\"\nthresholds = [0.5, 0.5]",
            "one number for all classes belongs here, or 3, one a class",
        ),
        (
            "kind = \"independent\"\nthresholds = [1.5]",
            "a threshold is a probability, from 0 to 1",
        ),
        ("kind = \"independents\"", "independent"),
    ] {
        let message = refusal(kind, to);
        assert!(message.contains(part), "{message}");
    }
    let output = |thresholds: &[f32], kind| Output {
        thresholds: thresholds.to_vec(),
        ..Output::new("scores", kind, 3)
    };
    let each = |thresholds: &[f32], kind| output(thresholds, kind).thresholds();
    assert_eq!(each(&[], OutputKind::Independent), Some(vec![0.5; 3]));
    assert_eq!(
        each(&[0.25], OutputKind::IndependentLogits),
        Some(vec![0.25; 3])
    );
    assert_eq!(
        each(&[0.1, 0.2, 0.3], OutputKind::Independent),
        Some(vec![0.1, 0.2, 0.3])
    );
    assert_eq!(each(&[], OutputKind::Probabilities), None);
}

#[test]
fn b3_bytes_are_not_normalised_twice() {
    let message = Stage::refusal(|stage| {
        stage.edit_manifest("element = \"f32\"", "element = \"u8\"");
    });
    assert!(
        message.contains("the network normalises bytes itself: transform.scale is 1"),
        "{message}"
    );
}

#[test]
fn labels_and_golden_samples_must_fit_the_manifest() {
    let labels = |text: &'static str| {
        Stage::refusal(move |stage| {
            fs::write(stage.root.path().join("pets/labels.txt"), text).unwrap()
        })
    };
    assert_eq!(
        labels("a\nb\nc\nd\n"),
        "pets/v1/manifest.toml: `output.classes` is 3: the model's labels.txt has 4 labels"
    );
    assert_eq!(
        labels("a\nb\na\n"),
        "pets/labels.txt: `a` stands in lines 1 and 3: labels must be distinct"
    );
    let bytes = Stage::refusal(|stage| {
        fs::write(stage.root.path().join("pets/labels.txt"), b"a\nb\xff").unwrap()
    });
    assert_eq!(bytes, "pets/labels.txt: not UTF-8 at byte 3");
    let outputs = |text: &'static str| {
        Stage::refusal(move |stage| fs::write(stage.path("golden/one.json"), text).unwrap())
    };
    assert_eq!(
        outputs("[1, 2]"),
        "pets/v1/golden/one.json: 2 outputs for 3 classes"
    );
    assert_eq!(
        outputs("[1, 2, 1e39]"),
        "pets/v1/golden/one.json: output 2 doesn't fit into 32 bits"
    );
    for text in [
        "",
        "[1, 2, null]",
        "[1, 2, NaN]",
        "{}",
        "[1, 2, 3] 4",
        "[[1], 2, 3]",
    ] {
        assert!(
            outputs(text).starts_with("pets/v1/golden/one.json: not a JSON array of numbers: "),
            "{text:?}"
        );
    }
}

#[test]
fn nothing_wrong_is_written() {
    let stage = Stage::new();
    let check = |change: &dyn Fn(&mut NewVersion), expected: &str| {
        let mut new = new_version();
        change(&mut new);
        let version = "v2".parse().unwrap();
        let error = stage
            .repository
            .write_version(&stage.model, &version, &new)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error.replace(&format!("{}/", stage.root.path().display()), ""),
            expected
        );
        assert!(!stage.root.path().join("pets/v2").exists());
    };
    check(
        &|new| new.model_bytes = Bytes::new(),
        "pets/v2/manifest.toml: `file.size_bytes` is 0: an empty file is no network",
    );
    check(
        &|new| new.labels = Labels::parse("a\nb").unwrap(),
        "pets/v2/manifest.toml: `output.classes` is 3: the model's labels.txt has 2 labels",
    );
    check(
        &|new| new.labels = Labels::parse("cat\nhound\nT-shirt/top").unwrap(),
        "pets/labels.txt says `dog` is class 1, the new version says `hound`: one model has one list of labels",
    );
    check(
        &|new| new.golden[0].outputs[1] = f32::NAN,
        "pets/v2/manifest.toml: `golden[0]` is output 1 is NaN: outputs are finite numbers",
    );
    check(
        &|new| _ = new.golden[1].outputs.pop(),
        "pets/v2/manifest.toml: `golden[1]` is a list of 2 outputs: 3 belong here",
    );
    check(
        &|new| new.golden[1].name = "one".into(),
        "pets/v2/manifest.toml: `golden[1]` is `one` again: samples have names of their own",
    );
    check(
        &|new| new.golden[0].name = "../one".into(),
        "pets/v2/manifest.toml: `golden` is ../one: a sample's name is made of A-Z, a-z, 0-9, `.`, `_` and `-`",
    );
    check(
        &|new| new.golden[0].image = "GIF89a".into(),
        "pets/v2/manifest.toml: `golden` is one: a sample is a PNG, JPEG or WebP picture",
    );

    let before = fs::read(stage.path("manifest.toml")).unwrap();
    let error = stage
        .repository
        .write_version(&stage.model, &stage.version, &new_version())
        .unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    assert_eq!(fs::read(stage.path("manifest.toml")).unwrap(), before);
}

#[test]
fn of_two_writers_one_wins() {
    let stage = Stage::new();
    let version: VersionName = "v2".parse().unwrap();
    let results = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    stage
                        .repository
                        .write_version(&stage.model, &version, &new_version())
                })
            })
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(_) | Err(StoreError::Exists { .. }))),
        "{results:?}"
    );
    stage.repository.read(&stage.model, &version).unwrap();
    let left = fs::read_dir(stage.root.path().join("pets"))
        .unwrap()
        .count();
    assert_eq!(left, 3, "v1, v2 and labels.txt");
}

proptest! {
    #[test]
    fn arbitrary_manifests_never_panic(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = read::from_text(&text, Path::new("manifest.toml"));
        let _ = read::from_text(&String::from_utf8_lossy(&bytes), Path::new("manifest.toml"));
    }

    /// A good manifest with one line lost, doubled, or one value replaced.
    #[test]
    fn mangled_manifests_never_panic(line in 0..40_usize, how in 0..3, value in "(-?[0-9]{1,20}|nan|inf|'\\PC{0,9}'|\\[\\]|\\{\\}|1e[0-9]{1,4})") {
        let stage_text = toml::to_string(&new_version().manifest).unwrap();
        let mut lines: Vec<String> = stage_text.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        match how {
            0 => _ = lines.remove(line),
            1 => lines.insert(line, lines[line].clone()),
            _ => if let Some((key, _)) = lines[line].clone().split_once('=') { lines[line] = format!("{key}= {value}") },
        }
        let _ = read::from_text(&lines.join("\n"), Path::new("manifest.toml"));
    }

    #[test]
    fn manifests_survive_writing_and_reading(
        scale in any::<f32>().prop_filter("finite", |x| x.is_finite() && *x != 0.0),
        std in 1e-3..1e3_f32,
        description in "\\PC{0,20}",
        temperature in 0.1..1e3_f64,
        agreement in 0.0..=1.0_f64,
        kl in 0.0..2.0_f64,
        counts in prop::collection::vec(0..1_000_000_u32, 3),
        resize in prop::sample::select(vec![Resize::Stretch, Resize::FitPad, Resize::Crop]),
    ) {
        let mut manifest = new_version().manifest;
        manifest.file.sha256 = "0".repeat(64);
        manifest.file.size_bytes = 1;
        manifest.description = description;
        manifest.transform = Transform { scale, std: vec![std], resize, ..manifest.transform };
        manifest.training = Some(Training { temperature: Some(temperature), ..Training::default() });
        let total: f64 = counts.iter().map(|count| f64::from(*count) + 0.5).sum();
        let reference = manifest.reference.as_mut().unwrap();
        reference.class_ratios = counts.iter().map(|count| (f64::from(*count) + 0.5) / total).collect();
        reference.agreement = Some(agreement);
        reference.kl_clipped_mean_nats = Some(kl);
        let text = toml::to_string(&manifest).unwrap();
        prop_assert_eq!(read::from_text(&text, Path::new("manifest.toml")).unwrap(), manifest);
    }
}

/// The disk's refusals are passed on, and nothing is left behind.
#[test]
fn a_write_that_fails_leaves_nothing() {
    let stage = Stage::new();
    let blocker = stage.root.path().join("plain");
    fs::File::create(&blocker)
        .unwrap()
        .write_all(b"no directory")
        .unwrap();
    let model = "plain".parse().unwrap();
    let error = stage
        .repository
        .write_version(&model, &stage.version, &new_version())
        .unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(fs::read(&blocker).unwrap(), b"no directory");
}

#[test]
fn d9_names_that_are_left_out_are_known_with_their_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for path in ["Toy", "toy/V2", "toy/v1", "toy/.incoming-x", ".git"] {
        fs::create_dir_all(root.join(path)).expect("made");
    }
    symlink("v1", root.join("toy/v3")).expect("made");
    fs::write(root.join("README"), "").expect("written");
    let repository = Repository::open(root).expect("a repository");
    let left_out = repository.left_out().expect("read");
    let found: Vec<(&Path, &str)> = left_out
        .iter()
        .map(|(path, reason)| (path.strip_prefix(root).expect("below"), reason.as_str()))
        .collect();
    let names: Vec<&Path> = found.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [Path::new("Toy"), Path::new("toy/V2"), Path::new("toy/v3")]
    );
    assert!(found[0].1.contains("`Toy` is no model name"), "{found:?}");
    assert!(found[1].1.contains("`V2` is no version name"), "{found:?}");
    assert!(found[2].1.contains("symbolic link"), "{found:?}");
}
