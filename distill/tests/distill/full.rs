//! A disk that is full: stood in for by a limit on the length of files, which needs no rights and stops a file in its
//! middle just so.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use stillhouse_distill::run::{BEST, Run};

use crate::{
    commands::{distill, output_text, write_config},
    tiny::workplace,
};

/// The program with files of at most so many blocks of 512 bytes (of 1024, where the shell counts so).
fn within(blocks: u32, folder: &Path, arguments: &[&str]) -> Output {
    let limited = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    Command::new("sh")
        .current_dir(folder)
        .args(["-c", limited, "sh", &blocks.to_string()])
        .arg(env!("CARGO_BIN_EXE_stillhouse-distill"))
        .args(arguments)
        .output()
        .unwrap()
}

fn fails(output: &Output, parts: &[&str]) {
    let text = output_text(output);
    assert!(!output.status.success(), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_export_is_whole_or_nothing() {
    let folder = workplace();
    let path = folder.path();
    write_config(path);
    let train = ["train-teacher", "tiny.toml", "--run", "run"];
    let train = distill(
        path,
        &[&train[..], &["--set", "architecture.widths=[64]"]].concat(),
    );
    assert!(train.status.success(), "{}", output_text(&train));

    let export = ["export", "run", "models/tiny/v1"];
    let parts = ["writing models/tiny/v1", "model.onnx: File too large"];
    fails(&within(8, path, &export), &parts);
    assert_eq!(names(&path.join("models")), [""; 0]);

    let done = distill(path, &export);
    assert!(done.status.success(), "{}", output_text(&done));
    let version = path.join("models/tiny/v1");
    let files = |name: &str| fs::read(version.join(name)).unwrap();
    let before = (files("model.onnx"), files("manifest.toml"));
    let again = [&export[..], &["--force", "--spoil", "overconfident=4"]].concat();
    fails(&within(8, path, &again), &parts);
    assert_eq!((files("model.onnx"), files("manifest.toml")), before);
    assert_eq!(names(&path.join("models/tiny")), ["labels.txt", "v1"]);

    let done = distill(path, &again);
    assert!(done.status.success(), "{}", output_text(&done));
    assert_ne!(files("model.onnx"), before.0);
    assert_eq!(names(&path.join("models/tiny")), ["labels.txt", "v1"]);
}

#[test]
fn a_run_keeps_what_was_whole() {
    let folder = workplace();
    let path = folder.path();
    write_config(path);
    let train = ["train-teacher", "tiny.toml", "--run"];

    // The network doesn't fit: 64 x 64 weights of 4 bytes.
    let large = [&train[..], &["large", "--set", "architecture.widths=[64]"]].concat();
    fails(
        &within(16, path, &large),
        &["writing the checkpoint large/best"],
    );
    let left = names(&path.join("large"));
    assert_eq!(left, ["config.toml", "environment.json", "metrics.jsonl"]);

    // The network fits, the metrics of so many epochs don't.
    let long = [&train[..], &["long", "--set", "train.epochs=100"]].concat();
    fails(&within(32, path, &long), &["writing long/metrics.jsonl"]);
    let (run, _) = Run::open(&path.join("long")).unwrap();
    let metrics = run.metrics().unwrap();
    assert!(!metrics.is_empty() && metrics.len() < 100);
    let text = fs::read_to_string(path.join("long/metrics.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "half a line was left");
    assert!(path.join("long").join(BEST).exists());
    let export = distill(path, &["export", "long", "models/tiny/long"]);
    assert!(export.status.success(), "{}", output_text(&export));
}

#[test]
fn a_line_that_was_cut_off_with_the_power_is_none() {
    let folder = workplace();
    let path = folder.path();
    write_config(path);
    let train = distill(path, &["train-teacher", "tiny.toml", "--run", "run"]);
    assert!(train.status.success(), "{}", output_text(&train));
    let (run, _) = Run::open(&path.join("run")).unwrap();
    let before = run.metrics().unwrap();
    let file = path.join("run/metrics.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.clone() + &text[..text.len() / 2].replace('\n', ""),
    )
    .unwrap();
    assert_eq!(run.metrics().unwrap(), before);
}
