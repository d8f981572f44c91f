//! Errors that say what was wrong and what to type.

use serde_json::{Value, json};

use super::{run, stderr, stdout};
use crate::{
    engines::backends,
    operator::{command, fails, says, server},
    process::Process,
    server::TestServer,
};

#[test]
fn e_no_token_and_a_wrong_token_have_different_texts() {
    let secret = "operator-secret-1";
    let process = Process::start_with(backends()[0], &[], &[("STILLHOUSE_OPERATOR_TOKEN", secret)]);
    let admin = process.address("metrics").trim_end_matches("/metrics");
    let text = |token: Option<&str>| {
        let mut status = command(admin);
        status
            .arg("status")
            .envs(token.map(|token| ("STILLHOUSE_TOKEN", token)));
        let output = status.output().expect("runs");
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let (none, wrong) = (text(None), text(Some("no-such-secret-at-all")));
    assert!(none.contains("needs a token"), "{none}");
    assert!(none.contains("next: put the secret"), "{none}");
    assert!(wrong.contains("is wrong"), "{wrong}");
    assert!(
        wrong.contains("next: the secret in STILLHOUSE_TOKEN"),
        "{wrong}"
    );
    assert!(!wrong.contains("needs a token"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e_unknown_models_list_the_names() {
    let server = server().await;
    for line in [
        "status tea",
        "status --model tea",
        "drift tea",
        "drift --model tea",
        "evidence tea",
        "history tea",
        "versions tea",
        "promote --model tea",
        "load v1 --model tea",
    ] {
        let error = fails(&server, line);
        assert!(error.contains("this server has toy"), "{line}: {error}");
    }
    let answer = |path: &str| {
        server
            .client
            .post(format!("http://{}{path}", server.data))
            .body("x")
            .send()
    };
    for path in ["/models/tea/predict", "/models/No%20Name/predict"] {
        let answer = answer(path).await.expect("an answer");
        assert_eq!(answer.status(), 404, "{path}");
        let problem: Value = answer.json().await.expect("JSON");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains("this server has toy"), "{path}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e_next_commands_can_be_typed_as_they_stand() {
    let server = server().await;
    let admin = server.admin.to_string();
    for (line, next) in [
        (
            "canary abort",
            "next: stillhouse canary start VERSION --share 1% --model toy",
        ),
        (
            "rollback",
            "next: stillhouse rollback --to VERSION --model toy",
        ),
        ("load v9", "next: stillhouse versions --model toy"),
        (
            "canary start v1 --share 1%",
            "next: stillhouse status --model toy",
        ),
    ] {
        let error = fails(&server, line);
        assert!(error.trim_end().ends_with(next), "{line}: {error}");
        // Named by a flag and not by the environment, the server is in the hint, too.
        let mut named = command("127.0.0.1:1");
        named
            .env_remove("STILLHOUSE_ADMIN")
            .args(line.split_whitespace());
        let output = named.args(["--admin", &admin]).output().expect("runs");
        let error = stderr(&output);
        let next = format!("{next} --admin {admin}");
        assert!(error.trim_end().ends_with(&next), "{line}: {error}");
    }
    says(&server, "canary start v2 --share 1%");
    let error = fails(&server, "canary start v3 --share 1%");
    let both = "next: stillhouse canary abort --model toy, or: stillhouse promote --model toy";
    assert!(error.contains(both), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e_a_model_is_named_alike_by_all_verbs_that_read() {
    let server = server().await;
    for verb in ["status", "drift", "evidence", "history", "versions"] {
        let word = says(&server, &format!("{verb} toy --json"));
        let flag = says(&server, &format!("{verb} --model toy --json"));
        let keys = |text: &str| -> Vec<String> {
            let value: Value = serde_json::from_str(text).expect("JSON");
            value
                .as_object()
                .expect("an object")
                .keys()
                .cloned()
                .collect()
        };
        assert_eq!(keys(&word), keys(&flag), "{verb}");
        let both = command(&server.admin.to_string())
            .args([verb, "toy", "--model", "toy"])
            .output()
            .expect("runs");
        assert_eq!(both.status.code(), Some(2), "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e_uploading_a_network_points_to_import() {
    let server = server().await;
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content, words) in [
        (
            "net.onnx",
            crate::toy::network().to_vec(),
            "an ONNX network",
        ),
        ("NET.ONNX", vec![8, 9], "an ONNX network"),
        ("weights.h5", b"\x89HDF".to_vec(), "another kind of file"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        let error = fails(
            &server,
            &format!("upload v4 {} --model toy", path.display()),
        );
        for words in [
            words,
            "next: stillhouse import ",
            "--model toy --version v4 --models made && stillhouse upload v4 made/toy/v4",
        ] {
            assert!(error.contains(words), "{name}: {error}");
        }
    }
}

/// The line that the error proposes makes a version that can be uploaded.
#[tokio::test(flavor = "multi_thread")]
async fn e_what_the_error_proposes_imports_here_and_uploads_there() {
    let backend = backends()[0];
    let server = TestServer::real(backend, |config| config.loading.child_process = false).await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("net.onnx"), crate::toy::network()).expect("written");
    std::fs::write(folder.path().join("labels.txt"), "dark\nmiddle\nbright\n").expect("written");
    let import = "import net.onnx --model toy --version v4 --models made --labels labels.txt";
    let imported = run(folder.path(), import);
    assert!(imported.status.success(), "{}", stderr(&imported));
    let output = command(&server.admin.to_string())
        .current_dir(folder.path())
        .args(["upload", "v4", "made/toy/v4", "--model", "toy"])
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("toy/v4 is there"));
}

/// A refusal of a share names both ways to write what was meant.
#[tokio::test(flavor = "multi_thread")]
async fn d8_the_command_line_refuses_a_share_without_a_unit() {
    let server = server().await;
    for line in [
        "canary start v2 --share 10",
        "split --teacher 10",
        "canary share 10",
    ] {
        let output = command(&server.admin.to_string())
            .args(line.split_whitespace())
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(
            stderr(&output).contains("say 10% or 0.1"),
            "{line}: {}",
            stderr(&output)
        );
    }
    says(&server, "canary start v2 --share 0.1");
    let status: Value = serde_json::from_str(&says(&server, "status toy --json")).expect("JSON");
    assert_eq!(status["split"], json!({"canary": 1000, "teacher": 0}));
}
