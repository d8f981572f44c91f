//! Output that fits, that nobody has to read to its end, and that programs can read.

use std::{
    io::Read,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{run, source, stderr, stdout, verb};
use crate::{
    operator::{command, server},
    process::Process,
    server::TestServer,
};

/// Runs a verb whose reader has gone before the first line, as after `| head -0`.
fn without_a_reader(mut command: Command) -> (Option<i32>, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    drop(child.stdout.take());
    let mut errors = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut errors).expect("text");
    (child.wait().expect("an end").code(), errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn e_a_reader_that_has_gone_is_no_panic() {
    let server = server().await;
    for line in [
        "status",
        "status --json",
        "history",
        "versions",
        "evidence",
        "drift",
        "status --watch",
    ] {
        let mut verb = command(&server.admin.to_string());
        verb.args(line.split_whitespace());
        let (code, errors) = without_a_reader(verb);
        assert_eq!((code, &*errors), (Some(0), ""), "{line}");
    }
    for line in [
        "--help",
        "--version",
        "models list",
        "models list --json",
        "models show fashion/s1",
        "config check",
        "config check --json",
        "completions bash",
        "man",
        "doctor --help",
    ] {
        let (code, errors) = without_a_reader(verb(source(), line));
        assert_eq!((code, &*errors), (Some(0), ""), "{line}");
    }
}

/// The text is lost, the work isn't.
#[test]
fn e_work_goes_on_where_nobody_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.onnx"), crate::toy::network()).expect("written");
    let import = "import net.onnx --model toy --version v1";
    let (code, errors) = without_a_reader(verb(folder.path(), import));
    assert_eq!((code, &*errors), (Some(0), ""));
    assert!(folder.path().join("models/toy/v1/manifest.toml").is_file());
}

#[test]
fn e_a_full_disk_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let output = verb(source(), "config check")
        .stdout(full)
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("standard output: "),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn e_tables_fit_the_terminal() {
    let server = server().await;
    let long = "a-reason-without-a-single-space-".repeat(5) + &" and one with spaces".repeat(5);
    let admin = server.admin.to_string();
    let started = command(&admin)
        .args(["canary", "start", "v2", "--share", "10%", "--reason", &long])
        .output()
        .expect("runs");
    assert!(started.status.success(), "{}", stderr(&started));
    let teacher = command(&admin)
        .args(["teacher", "v3"])
        .output()
        .expect("runs");
    assert!(teacher.status.success(), "{}", stderr(&teacher));
    let looked = |view: &Value| !view["on_trial"].is_null();
    server.admin_view("/evidence", looked).await;
    for (columns, most) in [
        (None, 80),
        (Some("80"), 80),
        (Some("120"), 120),
        (Some("60"), 60),
    ] {
        for line in ["history", "status", "evidence", "drift", "versions"] {
            let mut verb = command(&admin);
            verb.env_remove("COLUMNS").arg(line);
            if let Some(columns) = columns {
                verb.env("COLUMNS", columns);
            }
            let text = stdout(&verb.output().expect("runs"));
            let drawn = text
                .lines()
                .filter(|line| line.starts_with(['┌', '│', '╞', '└']));
            let widest = drawn.map(|line| line.chars().count()).max();
            assert!(
                widest.is_some_and(|widest| widest <= most),
                "{line} {columns:?}: {text}"
            );
        }
    }
    let history = stdout(
        &command(&admin)
            .args(["history", "--json"])
            .output()
            .expect("runs"),
    );
    let history: Value = serde_json::from_str(&history).expect("JSON");
    assert_eq!(history["entries"][1]["reason"], long);
    assert!(history["entries"][0]["from"].is_object(), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e_errors_are_json_where_json_is_asked_for() {
    let server = server().await;
    let admin = server.admin.to_string();
    let cases = [
        (
            &*admin,
            "promote --json",
            1,
            "no_canary",
            Some("stillhouse canary start"),
        ),
        (
            &*admin,
            "status --json --model tea",
            1,
            "unknown_model",
            Some("stillhouse status"),
        ),
        (&*admin, "status --json --bogus", 2, "usage", None),
        (
            &*admin,
            "canary start v2 --json --share 10",
            2,
            "usage",
            None,
        ),
        ("127.0.0.1:1", "status --json", 1, "unreachable", None),
        ("nonsense", "status --json", 1, "address_invalid", None),
        (
            &*admin,
            "models list --json --models nowhere",
            1,
            "failed",
            None,
        ),
        (
            &*admin,
            "config check --json --set shadow.rate=2",
            1,
            "failed",
            None,
        ),
    ];
    for (admin, line, exit_code, code, next) in cases {
        let output = command(admin)
            .args(line.split_whitespace())
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(exit_code), "{line}");
        assert_eq!(stdout(&output), "", "{line}");
        let text = stderr(&output);
        let error: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error} in {text}"));
        assert_eq!(error["code"], code, "{line}: {error}");
        assert_eq!(error["exit_code"], exit_code, "{line}: {error}");
        let words = error["error"].as_str().expect("text");
        assert!(
            !words.is_empty() && !words.contains("next: "),
            "{line}: {error}"
        );
        let hint = error["next"].as_str();
        assert_eq!(hint.is_some(), next.is_some(), "{line}: {error}");
        assert!(next.is_none_or(|next| hint.is_some_and(|hint| hint.starts_with(next))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e_the_program_says_what_it_is() {
    let server = TestServer::start(|_| {}).await;
    let metrics = server
        .client
        .get(format!("http://{}/metrics", server.admin))
        .send();
    let metrics = metrics
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("stillhouse_build_info{"));
    let line = line.expect("the metric");
    let jpeg = match cfg!(feature = "turbojpeg") {
        true => "libjpeg-turbo",
        false => "zune-jpeg",
    };
    for words in [
        concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""),
        "revision=\"",
        "engines=\"",
        &format!("jpeg=\"{jpeg}\""),
    ] {
        assert!(line.contains(words), "{line} must say {words}");
    }
    assert!(line.ends_with(" 1"), "{line}");

    let version = stdout(&run(source(), "--version"));
    assert!(version.starts_with(concat!("stillhouse ", env!("CARGO_PKG_VERSION"))));
    let process = Process::start(crate::engines::backends()[0], &[]);
    for words in [jpeg, &*crate::engines::backends()[0].to_string()] {
        assert!(version.contains(words), "{version}");
        assert!(process.banner().contains(words), "{}", process.banner());
    }
}
