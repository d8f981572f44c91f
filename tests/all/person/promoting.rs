//! Promotions: what the judge says before one, and how a pipeline waits for one.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::{stderr, stdout};
use crate::{
    operator::{command, says, server},
    server::TestServer,
};

#[tokio::test(flavor = "multi_thread")]
async fn e_promote_shows_the_verdict_before_it_asks() {
    let server = server().await;
    says(&server, "canary start v2 --share 10%");
    judged(&server).await;
    let admin = server.admin.to_string();
    for line in ["promote --dry-run", "promote"] {
        let output = command(&admin)
            .args(line.split_whitespace())
            .output()
            .expect("runs");
        assert!(output.status.success(), "{}", stderr(&output));
        let text = stderr(&output);
        assert!(
            text.starts_with("the judge on v2: verdict: "),
            "{line}: {text}"
        );
        assert!(!stdout(&output).contains("verdict"), "{line}");
    }
}

/// Waits until the judge has looked at the canary.
async fn judged(server: &TestServer) {
    let looked = |view: &Value| !view["on_trial"].is_null();
    server.admin_view("/evidence", looked).await;
}

/// Starts a canary in a process that waits for its end.
fn waiting(server: &TestServer, more: &[&str]) -> Child {
    command(&server.admin.to_string())
        .args(["canary", "start", "v2", "--share", "10%", "--wait"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

/// Waits until the server has a canary.
async fn on_trial(server: &TestServer) {
    server
        .admin_view("", |view| view["canary"] == json!("v2"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e_a_pipeline_learns_how_a_canary_ended() {
    for (end, code, words, outcome) in [
        ("promote", 0, "v2 is stable now", "promoted"),
        ("canary abort", 3, "v2 was taken out", "taken_out"),
        ("rollback --to v3", 3, "v2 was taken out", "taken_out"),
    ] {
        for json in [false, true] {
            let server = server().await;
            let flags: &[&str] = if json { &["--json"] } else { &[] };
            let child = waiting(&server, flags);
            on_trial(&server).await;
            says(&server, end);
            let output = child.wait_with_output().expect("an end");
            assert_eq!(
                output.status.code(),
                Some(code),
                "{end}: {}",
                stderr(&output)
            );
            let text = stdout(&output);
            if json {
                let done: Value = serde_json::from_str(&text).expect("one object");
                assert_eq!(done["outcome"], outcome, "{done}");
                assert_eq!(done["exit_code"], code, "{done}");
                assert_eq!(done["change"]["after"]["canary"], "v2", "{done}");
            } else {
                assert!(
                    text.contains("toy: changed") && text.contains(words),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e_a_pipeline_waits_no_longer_than_it_says() {
    let server = server().await;
    let output = waiting(&server, &["--wait-timeout-seconds", "4"]);
    let output = output.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let text = stdout(&output);
    for words in [
        "not decided after 4 s",
        "stillhouse canary abort --model toy",
    ] {
        assert!(text.contains(words), "{text}");
    }
    // It goes on.
    assert!(says(&server, "status").contains("canary"));
    assert!(
        stderr(&output).contains("v2: share 10%, "),
        "{}",
        stderr(&output)
    );
}
