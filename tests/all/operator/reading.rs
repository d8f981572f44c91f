//! Verbs that show, load, upload and remove.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use super::{command, fails, json, says, server};
use crate::toy::{SIDE, gray_png};

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_configured_and_observed_shares() {
    let server = server().await;
    says(&server, "canary start v2 --share 50%");
    for _ in 0..40 {
        server.predict(gray_png(SIDE, 0)).await;
    }
    let view = json(&server, "status toy");
    let seats = view["seats"].as_array().expect("seats");
    let drawn: Vec<u64> = seats
        .iter()
        .map(|seat| seat["drawn"].as_u64().expect("a number"))
        .collect();
    assert_eq!(drawn.iter().sum::<u64>(), 40);
    let text = says(&server, "status --model toy");
    for words in [
        "toy, generation 2",
        "stable",
        "canary",
        "v2",
        "50%",
        "observed",
    ] {
        assert!(text.contains(words), "{text}");
    }
    for (seat, drawn) in seats.iter().zip(&drawn) {
        let observed = format!("{:.2}%", 100.0 * *drawn as f64 / 40.0);
        assert!(
            text.contains(&observed),
            "{text} must say {observed} of {seat}"
        );
    }
    assert!(!text.contains("warning"), "{text}");
    let all = json(&server, "status");
    assert_eq!(all["models"][0], view);
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_refreshes() {
    let server = server().await;
    let mut child = command(&server.admin.to_string())
        .args([
            "status",
            "toy",
            "--watch",
            "--interval-seconds",
            "1",
            "--json",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut generation = || {
        let line = lines.next().expect("a line").expect("text");
        let view: Value = serde_json::from_str(&line).expect("one object a line");
        view["generation"].as_u64().expect("a number")
    };
    assert_eq!(generation(), 1);
    says(&server, "teacher v3");
    while generation() == 1 {}
    child.kill().expect("still there");
    child.wait().expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_sorted_newest_first() {
    let server = server().await;
    says(&server, "canary start v2 --share 10% --reason begun");
    says(&server, "promote --reason done");
    let entries = json(&server, "history --limit 1")["entries"].clone();
    assert_eq!(entries.as_array().map(Vec::len), Some(1));
    assert_eq!(entries[0]["action"], "promote");
    let text = says(&server, "history");
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words}: {text}"))
    };
    assert!(at("done") < at("begun"), "{text}");
    assert!(text.contains("2: v1 + canary v2 10%"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_loaded_and_removed() {
    let server = server().await;
    let loaded = |name: &str| {
        let list = json(&server, "versions");
        let versions = list["versions"].as_array().expect("versions").clone();
        let one = versions.into_iter().find(|one| one["version"] == name);
        one.map(|one| one["loaded"] == true)
    };
    assert_eq!(loaded("v1"), Some(true));
    assert_eq!(loaded("v3"), Some(false));
    let text = says(&server, "load v3");
    assert!(text.contains("toy/v3 is loaded"), "{text}");
    assert_eq!(loaded("v3"), Some(true));
    assert_eq!(json(&server, "load v3")["version"], "v3");

    let error = fails(&server, "delete v1");
    assert!(error.contains("in use as stable"), "{error}");
    let text = says(&server, "delete v3 --reason old");
    assert!(text.contains("toy/v3 is gone"), "{text}");
    assert_eq!(loaded("v3"), None);
    assert_eq!(json(&server, "delete v2")["deleted"], true);
    let text = says(&server, "history");
    assert!(
        text.contains("delete_version v3") && text.contains("old"),
        "{text}"
    );
    let text = says(&server, "versions");
    assert!(text.contains("stable") && !text.contains("v3"), "{text}");
}
