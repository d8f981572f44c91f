//! Errors of verbs: what was wrong, and the next command.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use serde_json::json;
use stillhouse::config::Config;

use super::{command, fails, server, stderr};
use crate::{
    engines::backends,
    process::Process,
    server::TestServer,
    toy::{golden, write},
};

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_next_command() {
    let server = server().await;
    for (line, words) in [
        (
            "canary abort",
            &["there is no canary", "next: stillhouse canary start"][..],
        ),
        ("canary share 5%", &["there is no canary"]),
        (
            "rollback",
            &["no previous version", "next: stillhouse rollback --to"],
        ),
        (
            "canary start v9 --share 1%",
            &["no version v9", "v1, v2, v3", "next: stillhouse versions"],
        ),
        (
            "canary start v1 --share 1%",
            &["v1 is already the stable", "next: stillhouse status"],
        ),
        (
            "split --teacher 1%",
            &["no teacher", "next: stillhouse teacher"],
        ),
        (
            "promote --model tea",
            &["no model of this name", "next: stillhouse status"],
        ),
        ("load v9", &["next: stillhouse versions"]),
    ] {
        let error = fails(&server, line);
        assert!(error.starts_with("error: "), "{line}: {error}");
        for word in words {
            assert!(error.contains(word), "{line}: {error} must say {word}");
        }
    }
    for line in [
        "split",
        "teacher",
        "teacher v2 --none",
        "canary start v2 --share 200%",
    ] {
        let output = super::run(&server, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_has_its_own_error() {
    let server = server().await;
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = nobody.local_addr().expect("bound").to_string();
    drop(nobody);
    for (admin, words) in [
        (
            &*closed,
            &[&*closed, "is the server running?", "--admin"][..],
        ),
        (&server.data.to_string(), &["the data plane's address"]),
        ("https://127.0.0.1:8081", &["plain http", "ssh -L"]),
        ("localhost", &["HOST:PORT"]),
    ] {
        let output = command(admin).args(["status"]).output().expect("runs");
        assert!(!output.status.success());
        for word in words {
            assert!(
                stderr(&output).contains(word),
                "{admin}: {}",
                stderr(&output)
            );
        }
    }
}

/// A listener that accepts connections and sends nothing: the verb must end by itself.
#[test]
fn a_silent_server_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("bound").to_string();
    let output = command(&address)
        .args(["load", "v1", "--model", "toy", "--timeout-seconds", "1"])
        .output()
        .expect("runs");
    let error = stderr(&output);
    assert!(
        !output.status.success() && error.contains("longer than 1 s"),
        "{error}"
    );
}

/// Reads a request to the end of its headers and answers it, or disconnects; returns its head.
fn serve_one(listener: &TcpListener, answer: Option<&str>) -> String {
    let (mut stream, _) = listener.accept().expect("a client");
    let mut head = String::new();
    let mut lines = BufReader::new(stream.try_clone().expect("a handle"));
    while !head.ends_with("\r\n\r\n") {
        assert!(lines.read_line(&mut head).expect("text") > 0, "{head}");
    }
    if let Some(body) = answer {
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        write!(stream, "{head}{body}").expect("sent");
    }
    head
}

#[test]
fn a_connection_that_breaks_is_asked_again_under_the_same_key() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let assignment = |generation: u64, stable: &str| {
        json!({"generation": generation, "rollout": 0, "stable": stable, "canary": null, "teacher": null,
            "previous": null, "split": {"canary": 0, "teacher": 0}})
    };
    let server = thread::spawn(move || {
        let mut view = assignment(4, "v1");
        view["model"] = "toy".into();
        view["seats"] = json!([]);
        serve_one(&listener, Some(&view.to_string()));
        let lost = serve_one(&listener, None);
        let changed = json!({"model": "toy", "changed": true, "dry_run": false, "before": assignment(4, "v1"),
            "after": assignment(5, "v2"), "undo": null});
        let carried_out = serve_one(&listener, Some(&changed.to_string()));
        [lost, carried_out]
    });
    let output = command(&address)
        .args(["rollback", "--model", "toy"])
        .output()
        .expect("runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let orders = server.join().expect("served");
    let header = |order: &str, name: &str| {
        let line = order.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {order}")).to_owned()
    };
    assert_eq!(
        header(&orders[0], "idempotency-key: "),
        header(&orders[1], "idempotency-key: ")
    );
    for order in orders {
        assert_eq!(header(&order, "if-match: "), "if-match: \"4\"");
    }
}

#[test]
fn tokens_come_from_the_environment() {
    let (operator, viewer) = ("operator-secret-1", "viewer-secret-number-2");
    let backend = backends()[0];
    let process = Process::start_with(
        backend,
        &[],
        &[
            ("STILLHOUSE_OPERATOR_TOKEN", operator),
            ("STILLHOUSE_VIEWER_TOKEN", viewer),
        ],
    );
    let admin = process.address("metrics").trim_end_matches("/metrics");
    let run = |line: &str, tokens: &[(&str, &str)]| {
        let output = command(admin)
            .args(line.split_whitespace())
            .envs(tokens.iter().copied())
            .output()
            .expect("runs");
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            stderr(&output)
        );
        for secret in [operator, viewer, "no-such-secret-at-all"] {
            assert!(!text.contains(secret), "{text}");
        }
        (output.status.success(), text)
    };
    let change = "rollback --to v1";
    for (line, tokens, good, words) in [
        ("status", &[][..], false, "STILLHOUSE_TOKEN"),
        (
            "status",
            &[("STILLHOUSE_TOKEN", "no-such-secret-at-all")],
            false,
            "STILLHOUSE_TOKEN",
        ),
        ("status", &[("STILLHOUSE_TOKEN", viewer)], true, "v1"),
        (
            change,
            &[("STILLHOUSE_TOKEN", viewer)],
            false,
            "an operator's secret",
        ),
        // An operator who is admitted, but whose order is wrong.
        (
            change,
            &[("STILLHOUSE_TOKEN", operator)],
            false,
            "is already the stable",
        ),
        (
            change,
            &[("STILLHOUSE_OPERATOR_TOKEN", operator)],
            false,
            "is already the stable",
        ),
    ] {
        let (success, text) = run(line, tokens);
        assert_eq!(success, good, "{line} {tokens:?}: {text}");
        assert!(text.contains(words), "{line} {tokens:?}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_several_models_one_must_be_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["tea", "wine"] {
        write(folder.path(), golden());
        std::fs::rename(folder.path().join("toy"), folder.path().join(name)).expect("renamed");
    }
    let mut config = Config::default();
    config.repository.path = folder.path().to_owned();
    config.engine.backend = backends()[0].to_string();
    let server = TestServer::of(config).await;
    let error = fails(&server, "promote");
    assert!(
        error.contains("tea, wine: name one with --model"),
        "{error}"
    );
    let error = fails(&server, "promote --set repository.default_model=wine");
    assert!(error.contains("there is no canary"), "{error}");
    let error = fails(&server, "promote --model tea");
    assert!(error.contains("there is no canary"), "{error}");
}
