//! Verbs that change which version answers, and the commands that they print to undo it.

use serde_json::{Value, json};

use super::{command, fails, json, paste, says, server};
use crate::server::TestServer;

/// Versions and shares, without the numbers that every change increases.
fn who(view: &Value) -> Value {
    let part = |name: &str| view[name].clone();
    json!([
        part("stable"),
        part("canary"),
        part("teacher"),
        part("split")
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_prints_its_result_and_a_command_that_undoes_it() {
    let server = server().await;
    // Without this, the printed commands must name the server.
    let flag = format!("--admin {}", server.admin);
    for (line, after) in [
        (
            "canary start v2 --share 10%",
            json!(["v1", "v2", null, {"canary": 1000, "teacher": 0}]),
        ),
        (
            "canary share 25%",
            json!(["v1", "v2", null, {"canary": 2500, "teacher": 0}]),
        ),
        (
            "canary abort",
            json!(["v1", null, null, {"canary": 0, "teacher": 0}]),
        ),
        (
            "teacher v3",
            json!(["v1", null, "v3", {"canary": 0, "teacher": 0}]),
        ),
        (
            "split --teacher 0.005",
            json!(["v1", null, "v3", {"canary": 0, "teacher": 50}]),
        ),
        (
            "teacher --none",
            json!(["v1", null, null, {"canary": 0, "teacher": 0}]),
        ),
        (
            "canary start v2 --share 0",
            json!(["v1", "v2", null, {"canary": 0, "teacher": 0}]),
        ),
        (
            "promote",
            json!(["v2", null, null, {"canary": 0, "teacher": 0}]),
        ),
        (
            "rollback",
            json!(["v1", null, null, {"canary": 0, "teacher": 0}]),
        ),
        (
            "rollback --to v3",
            json!(["v3", null, null, {"canary": 0, "teacher": 0}]),
        ),
    ] {
        let before = server.deployment().await;
        let mut shell = command("127.0.0.1:1");
        shell.env_remove("STILLHOUSE_ADMIN");
        let output = shell
            .args(line.split_whitespace().chain(flag.split_whitespace()))
            .output()
            .expect("runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(text.contains("toy: changed"), "{line}: {text}");
        let changed = server.deployment().await;
        assert_eq!(who(&changed), after, "{line}");
        let undo = text.lines().find_map(|line| line.strip_prefix("undo: "));
        let undo = undo.unwrap_or_else(|| panic!("{line}: {text}"));

        // Undoing a canary that was promoted, or a teacher's share, takes a second step: one line can't contain both.
        let whole = !matches!(line, "promote" | "teacher --none");
        paste(undo);
        let back = server.deployment().await;
        if whole {
            assert_eq!(who(&back), who(&before), "{line}, then {undo}");
        } else {
            let role = if line == "promote" {
                "stable"
            } else {
                "teacher"
            };
            assert_eq!(back[role], before[role], "{line}, then {undo}");
        }
        again(&server, line);
    }
}

/// Runs it again, as the starting point for the next line.
fn again(server: &TestServer, line: &str) {
    if line == "promote" {
        says(server, "canary start v2 --share 0");
    }
    says(server, line);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_the_servers_own_answer_with_the_reason() {
    let server = server().await;
    let output = command("127.0.0.1:1")
        .args(["canary", "start", "v2", "--share", "2.5%", "--json"])
        .args(["--reason", "fewer errors on shoes"])
        .args(["--admin", &format!("http://{}/", server.admin)])
        .output()
        .expect("runs");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed["after"]["split"]["canary"], 250);
    assert_eq!(printed["changed"], true);
    let undo = format!(
        "stillhouse canary abort --model toy --admin http://{}/",
        server.admin
    );
    assert_eq!(printed["undo"]["command"], undo.as_str());
    let history = json(&server, "history");
    assert_eq!(history["entries"][0]["reason"], "fewer errors on shoes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let server = server().await;
    let before = server.deployment().await;
    let text = says(&server, "canary start v2 --share 10% --dry-run");
    for words in ["would be", "v2 10%", "nothing was changed"] {
        assert!(text.contains(words), "{text}");
    }
    let printed = json(&server, "rollback --to v2 --dry-run");
    assert_eq!(
        (&printed["dry_run"], &printed["after"]["stable"]),
        (&json!(true), &json!("v2"))
    );
    assert_eq!(server.deployment().await, before);
    let text = says(&server, "rollback --to v2");
    assert!(text.contains("changed"), "{text}");
    let text = says(&server, "split --canary 0");
    assert!(text.contains("nothing to do"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_order_is_refused_with_the_faster_one() {
    let server = server().await;
    says(&server, "canary start v2 --share 10% --reason first");
    let before = server.deployment().await;
    let error = fails(&server, "canary abort --generation 1");
    for words in [
        "generation 2, not 1",
        "anonymous did start_canary at 20",
        ": first",
        "v2 10%",
        "v1 90%",
    ] {
        assert!(error.contains(words), "{error} must say {words}");
    }
    assert_eq!(server.deployment().await, before);
    says(&server, "canary abort --generation 2");
    says(&server, "teacher v3 --force");
    assert_eq!(server.deployment().await["teacher"], "v3");
}
