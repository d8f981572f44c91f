//! Starting a server, and what its log says.

use std::process::{Command, Stdio};

use super::{run, source, stderr, stdout};
use crate::{
    engines::backends,
    operator::command,
    process::Process,
    toy::{golden, network, write, write_version},
};

#[test]
fn e_a_student_is_proposed_to_answer_and_not_the_teacher() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = source().join("models");
    let line = format!("config check --set repository.path={}", models.display());
    let check = run(folder.path(), &line);
    let text = stderr(&check);
    assert_eq!(check.status.code(), Some(1), "{text}");
    let proposal = text
        .split("add to the configuration:\n")
        .nth(1)
        .expect("a proposal");
    let table = proposal.trim();
    assert!(
        table == "[models.fashion]\nstable = \"s2\"\nteacher = \"teacher-1\"",
        "{text}"
    );
    // It can be pasted.
    std::fs::write(folder.path().join("own.toml"), table).expect("written");
    let check = run(folder.path(), &format!("{line} --config own.toml"));
    assert!(check.status.success(), "{}", stderr(&check));
}

#[test]
fn e_a_repository_that_is_missing_names_the_flag() {
    let folder = tempfile::tempdir().expect("a folder");
    for line in [
        "serve",
        "config check",
        "models list",
        "models check",
        "models show a/b",
    ] {
        let output = run(folder.path(), line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let text = stderr(&output);
        for words in ["models is missing", "--models FOLDER", "stillhouse import"] {
            assert!(text.contains(words), "{line}: {text}");
        }
    }
}

#[test]
fn e_labels_are_the_numbers_of_the_classes_where_none_are_given() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.onnx"), network()).expect("written");
    let import = run(folder.path(), "import net.onnx --model toy --version v1");
    assert!(import.status.success(), "{}", stderr(&import));
    assert!(
        stdout(&import).contains("labels = 0 to 2 (default"),
        "{}",
        stdout(&import)
    );
    let labels = std::fs::read_to_string(folder.path().join("models/toy/labels.txt"));
    assert_eq!(labels.expect("written"), "0\n1\n2\n");

    let standalone = folder.path().join("net.onnx");
    let process = Process::start(backends()[0], &[standalone.to_str().expect("UTF-8")]);
    let banner = process.banner();
    assert!(banner.contains("labels = 0 to 2 (default"), "{banner}");
    let curl = banner.lines().last().expect("the curl line").trim();
    let answer = Command::new("sh")
        .args(["-c", curl])
        .output()
        .expect("a shell");
    let text = stdout(&answer);
    assert!(text.contains("\"label\":\""), "{curl}: {text}");
    assert!(!text.contains("dark"), "{text}");
}

/// Neither the watch of a deleted folder nor anything else of a dependency's own words.
#[test]
fn e_the_log_has_no_paths_of_the_building_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    write(&models, golden());
    write_version(&models, "v2", network(), golden());
    let process = Process::start_at(
        backends()[0],
        folder.path(),
        &["--set", "models.toy.stable=v1", "--set", "log.filter=debug"],
    );
    let admin = process
        .address("metrics")
        .trim_end_matches("/metrics")
        .to_owned();
    let deleted = command(&admin)
        .args(["delete", "v2", "--yes"])
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    assert!(deleted.status.success(), "{}", stderr(&deleted));
    // The watch looks at what is left.
    std::fs::remove_dir_all(models.join("toy/v2")).ok();
    let log = process.log_after_sigterm();
    assert!(log.contains("draining"), "{log}");
    for words in ["watch descriptor", ".cargo/registry", "log.file", "/rustc/"] {
        assert!(!log.contains(words), "{words}: {log}");
    }
}
