//! Versions validated in a child process: the good ones pass, and a bad one can't affect this process.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use stillhouse::{
    control::{
        LoadingSettings,
        validation::{Subject, Task, Validated, Validation, ValidationError},
    },
    version::{BatchSettings, EngineSettings},
};
use stillhouse_engine::{
    Backend,
    onnx::{
        GraphProto, StringStringEntryProto,
        build::{integers, model, node},
    },
};
use tempfile::TempDir;

use crate::{
    engines::backends,
    toy::{golden, graph, network, write, write_network},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_stillhouse");

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn engine(backend: Backend) -> EngineSettings {
    EngineSettings {
        backend: backend.to_string(),
        ..EngineSettings::default()
    }
}

/// The result of validating `toy/v1` below `root`.
async fn check(
    validation: &Validation,
    root: &Path,
    backend: Backend,
) -> Result<Validated, ValidationError> {
    validation.check(subject(root, engine(backend))).await
}

/// `toy/v1` below `root`.
fn subject(root: &Path, engine: EngineSettings) -> Subject {
    Subject {
        repository: root.into(),
        model: "toy".parse().expect("a name"),
        version: "v1".parse().expect("a name"),
        engine,
        batch: BatchSettings::default(),
        beside_traffic: true,
    }
}

fn real(settings: LoadingSettings) -> Validation {
    Validation::new(PROGRAM.into(), &settings)
}

/// The error for `toy/v1` with this network, tampered with.
async fn refusal(backend: Backend, network: Bytes, tamper: impl FnOnce(&Path)) -> String {
    let folder = folder();
    write_network(folder.path(), network, golden());
    tamper(&folder.path().join("toy/v1"));
    let found = check(&real(LoadingSettings::default()), folder.path(), backend).await;
    match found {
        Err(ValidationError::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// Validates `toy/v1` under a failpoint of the child.
async fn under(failpoint: &str, settings: LoadingSettings) -> Result<Validated, ValidationError> {
    let folder = folder();
    write(folder.path(), golden());
    let validation = real(settings).with_variable("FAILPOINTS", failpoint);
    check(&validation, folder.path(), Backend::Tract).await
}

#[tokio::test]
async fn a_good_version_passes_on_every_engine() {
    let folder = folder();
    write(folder.path(), golden());
    let manifest = fs::read_to_string(folder.path().join("toy/v1/manifest.toml")).expect("text");
    for backend in backends() {
        let validation = real(LoadingSettings::default());
        let validated = check(&validation, folder.path(), backend).await;
        let validated = validated.expect("good");
        assert!(
            validated.engine.contains(&backend.to_string()),
            "{validated:?}"
        );
        assert!(manifest.contains(&validated.sha256), "{validated:?}");
    }
}

#[tokio::test]
async fn a_wrong_version_is_refused_with_its_reason_on_every_engine() {
    let mut elsewhere = graph();
    elsewhere.initializer[0].raw_data = Bytes::new();
    elsewhere.initializer[0].data_location = 1;
    elsewhere.initializer[0].external_data = vec![StringStringEntryProto {
        key: "location".into(),
        value: "../../secret".into(),
    }];
    for backend in backends() {
        let outputs = |version: &Path| {
            let path = version.join("golden/luma-128.json");
            fs::write(path, "[5.0, 0.5, -15.0]").expect("written");
        };
        let reason = refusal(backend, network(), outputs).await;
        assert!(
            reason.contains("golden sample `luma-128` is not reproduced"),
            "{reason}"
        );

        let flip = |version: &Path| {
            let path = version.join("model.onnx");
            let mut bytes = fs::read(&path).expect("a network");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).expect("written");
        };
        let reason = refusal(backend, network(), flip).await;
        assert!(
            reason.contains("the file was damaged or replaced"),
            "{reason}"
        );

        let external = model(17, elsewhere.clone()).to_bytes();
        let reason = refusal(backend, external, |_| ()).await;
        assert!(
            reason.contains("keeps its data in another file (`../../secret`)"),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn a_child_that_hangs_is_killed_at_the_deadline() {
    let settings = LoadingSettings {
        timeout_seconds: 1,
        ..LoadingSettings::default()
    };
    let error = under("validate::v1=sleep(600000)", settings).await;
    let error = error.expect_err("it sleeps for ten minutes");
    assert!(
        matches!(error, ValidationError::TimedOut { seconds: 1 }),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "validation was stopped after 1 s (loading.timeout_seconds)"
    );
}

#[tokio::test]
async fn a_panic_in_the_child_is_reported() {
    let settings = LoadingSettings::default();
    let error = under("validate::v1=panic(the back end gave up)", settings).await;
    assert_eq!(
        error.expect_err("it panics").to_string(),
        "validation crashed (exit status: 101): the back end gave up"
    );
}

/// [`graph`] that first creates `numbers` numbers, and adds the largest of them, a zero, to its scores.
fn hungry(numbers: i64) -> GraphProto {
    let mut hungry = graph();
    hungry.node[1].output[0] = "scores".into();
    hungry.initializer.push(integers("numbers", &[numbers]));
    hungry.node.extend([
        node("ConstantOfShape", &["numbers"], &["zeros"]),
        node("Exp", &["zeros"], &["ones"]),
        node("Log", &["ones"], &["zeros_again"]),
        node("ReduceMax", &["zeros_again"], &["zero"]).with_int("keepdims", 0),
        node("Add", &["scores", "zero"], &["output"]),
    ]);
    hungry
}

#[tokio::test]
async fn a_network_that_needs_too_much_memory_reaches_the_limit() {
    let settings = LoadingSettings {
        memory_bytes: 512 << 20,
        ..LoadingSettings::default()
    };
    for backend in backends() {
        let folder = folder();
        for (numbers, good) in [(1000, true), (1 << 30, false)] {
            let root = folder.path().join(numbers.to_string());
            write_network(&root, model(17, hungry(numbers)).to_bytes(), golden());
            match check(&real(settings.clone()), &root, backend).await {
                Ok(_) => assert!(good, "{numbers} numbers fit on {backend}"),
                Err(ValidationError::OutOfMemory { limit_bytes }) => {
                    assert!(!good, "{numbers} numbers don't fit on {backend}");
                    assert_eq!(limit_bytes, 512 << 20);
                }
                Err(other) => panic!("{numbers} numbers on {backend}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn every_way_a_child_can_end_is_reported() {
    let folder = folder();
    let settings = |timeout_seconds| LoadingSettings {
        timeout_seconds,
        ..LoadingSettings::default()
    };
    for (name, expected) in [
        (
            "segv",
            "validation crashed (signal: 11 (SIGSEGV)), without a word",
        ),
        (
            "killed",
            "validation needed more than 4294967296 bytes of memory (loading.memory_bytes)",
        ),
        ("deaf", "not listening"),
        (
            "silent",
            "validation crashed (exit status: 3), without a word",
        ),
        (
            "babbling",
            "validation crashed (exit status: 0), without a word",
        ),
        (
            "flooding",
            "validation was stopped after 1 s (loading.timeout_seconds)",
        ),
        // SCHED_IDLE from its start, without a call of its own.
        ("meek", "policy 5"),
        ("talking", ""),
    ] {
        let program = folder.path().join(name);
        let impostor = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/impostor.sh");
        symlink(impostor, &program).expect("a link");
        let validation =
            Validation::new(program, &settings(if name == "flooding" { 1 } else { 120 }));
        let found = check(&validation, folder.path(), Backend::Tract).await;
        let said = found.map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said, expected, "{name}");
    }
    let validation = Validation::new(folder.path().join("nowhere"), &settings(120));
    let error = check(&validation, folder.path(), Backend::Tract).await;
    assert!(matches!(error, Err(ValidationError::Spawn(_))), "{error:?}");
}

#[test]
fn a_child_ends_with_its_caller() {
    let task = Task {
        subject: subject(Path::new("/nowhere"), EngineSettings::default()),
        memory_bytes: 1 << 30,
    };
    let mut child = Command::new(PROGRAM)
        .arg("validate")
        .env("FAILPOINTS", "validate::v1=sleep(600000)")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let line = serde_json::to_string(&task).expect("JSON");
    writeln!(stdin, "{line}").expect("heard");
    drop(stdin);
    let mut said = String::new();
    let mut stdout = child.stdout.take().expect("piped");
    stdout.read_to_string(&mut said).expect("text");
    assert!(!child.wait().expect("ended").success());
    assert_eq!(said, "");
}
