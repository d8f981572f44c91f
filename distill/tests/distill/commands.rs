//! Runs the program's commands.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::tiny::{MLP, config, workplace};

pub(crate) fn distill(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse-distill"));
    command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// `tiny.toml` in `folder`.
pub(crate) fn write_config(folder: &Path) {
    let config = config(folder, MLP, &["data.holdout=60", "train.epochs=3"]).unwrap();
    fs::write(folder.join("tiny.toml"), toml::to_string(&config).unwrap()).unwrap();
}

#[test]
fn a_run_becomes_a_version_and_stays_what_it_was() {
    let folder = workplace();
    let path = folder.path();
    write_config(path);
    let train = distill(
        path,
        &[
            "train-teacher",
            "tiny.toml",
            "--run",
            "run",
            "--set",
            "seed=3",
        ],
    );
    assert!(train.status.success(), "{}", output_text(&train));
    assert!(
        output_text(&train)
            .contains("540 pictures to learn from, 60 held out, 150 to measure on; 64-16-3")
    );
    for file in [
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "curves.svg",
        "best",
        "checkpoint",
    ] {
        assert!(path.join("run").join(file).exists(), "{file}");
    }
    let export = distill(
        path,
        &[
            "export",
            "run",
            "models/tiny/v1",
            "--spoil",
            "overconfident=4",
        ],
    );
    assert!(export.status.success(), "{}", output_text(&export));
    let evaluate = distill(
        path,
        &[
            "evaluate",
            "models/tiny/v1",
            "--config",
            "tiny.toml",
            "--teacher",
            "run",
        ],
    );
    assert!(
        output_text(&evaluate).contains("100.00 %"),
        "the same labels, whatever the confidence: {}",
        output_text(&evaluate)
    );

    let manifest = || fs::read_to_string(path.join("models/tiny/v1/manifest.toml")).unwrap();
    let before = manifest();
    for name in [
        "luma_mean",
        "luma_std",
        "laplacian_variance",
        "width",
        "margin",
    ] {
        assert!(
            before.contains(&format!("\n{name} = [")),
            "{name}: {before}"
        );
    }
    // The engine's outputs for the exported graph give the same statistics up to rounding.
    let reference = [
        "reference",
        "models/tiny/v1",
        "--config",
        "tiny.toml",
        "--teacher",
        "run",
    ];
    let kept = distill(path, &reference);
    assert!(
        !kept.status.success()
            && output_text(&kept).contains("has a reference: replace it with --force"),
        "{}",
        output_text(&kept)
    );
    assert_eq!(manifest(), before);
    let measured = distill(path, &[&reference[..], &["--force"]].concat());
    assert!(
        output_text(&measured).contains("150 of 150 pictures answered")
            && output_text(&measured).contains("agreement 100.00 %"),
        "{}",
        output_text(&measured)
    );
    let after = manifest();
    let inputs = |text: &str| -> Vec<String> {
        let of_inputs = |line: &&str| line.starts_with("luma_") || line.starts_with("lapl");
        text.lines().filter(of_inputs).map(str::to_owned).collect()
    };
    // Of each the quantiles, and what lies beyond them.
    assert_eq!(inputs(&before).len(), 6);
    assert_eq!(inputs(&after), inputs(&before));
    assert!(after.contains("\nagreement = 1.0\n") && !before.contains("\nagreement"));

    let again = distill(path, &["train-teacher", "tiny.toml", "--run", "run"]);
    assert!(
        !again.status.success() && output_text(&again).contains("--force"),
        "{}",
        output_text(&again)
    );
    let student = distill(path, &["train-student", "tiny.toml", "--run", "other"]);
    assert!(
        !student.status.success() && output_text(&student).contains("[distill]"),
        "{}",
        output_text(&student)
    );
}

#[test]
fn a_plan_does_teachers_first_and_says_who_failed() {
    let folder = workplace();
    let path = folder.path();
    write_config(path);
    let plan = r#"
        seeds = [1, 2]
        run = [
            { name = "big", title = "the teacher", config = "tiny.toml", paper = 9 },
            { name = "small", title = "the student", config = "tiny.toml", teacher = "big", unbias = 1,
              set = ["distill.temperature=4", "distill.alpha=1", "data.leave_out=[1]"] },
        ]
    "#;
    fs::write(path.join("plan.toml"), plan).unwrap();
    let done = distill(path, &["plan", "plan.toml", "--out", "all", "--jobs", "2"]);
    assert!(done.status.success(), "{}", output_text(&done));
    let text = output_text(&done);
    assert!(
        text.contains("| the teacher") && text.contains("with the bias of class 1 raised"),
        "{text}"
    );
    // The second time all runs are finished already.
    let metrics = || {
        fs::metadata(path.join("all/small-2/metrics.jsonl"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = metrics();
    assert!(
        distill(path, &["plan", "plan.toml", "--out", "all"])
            .status
            .success()
    );
    assert_eq!(metrics(), before);

    let wrong = [
        "plan",
        "plan.toml",
        "--out",
        "none",
        "--set",
        "train.learning_rate=1e30",
        "--set",
        "train.optimizer='sgd'",
    ];
    let failed = distill(path, &wrong);
    let text = output_text(&failed);
    assert!(
        !failed.status.success() && text.contains("4 of 4 runs failed"),
        "{text}"
    );
    assert!(
        text.contains("its teacher none/big-1 isn't finished"),
        "{text}"
    );
}

#[test]
fn a_sweep_ranks_and_survives_what_diverges() {
    let folder = workplace();
    let path = folder.path();
    write_config(path);
    let vary = [
        "--vary",
        "train.learning_rate=1e-5;0.01;1e30;0.003",
        "--set",
        "train.optimizer='sgd'",
    ];
    let output = distill(
        path,
        &[
            &["sweep", "tiny.toml", "--out", "sweep", "--jobs", "2"],
            vary.as_slice(),
        ]
        .concat(),
    );
    assert!(output.status.success(), "{}", output_text(&output));
    let table = fs::read_to_string(path.join("sweep/sweep.md")).unwrap();
    let rows: Vec<&str> = table.lines().skip(2).collect();
    assert_eq!(rows.len(), 4);
    assert!(
        rows[0].contains("=0.0") && rows[3].contains("1e30") && rows[3].contains("inf"),
        "{table}"
    );
    assert!(
        fs::read_to_string(path.join("sweep/sweep.svg"))
            .unwrap()
            .contains("<svg")
    );
}
