//! Servers that refuse, fail, close connections, hang, or aren't running.

use std::{net::TcpListener, time::Duration};

use crate::{
    program::{Pictures, count, run},
    server::{Reply, Server, fine, problem},
};

fn arguments(url: &str, more: &str) -> String {
    format!(
        "run --url {url} --rate 200 --arrivals constant --warmup 0s --duration 500ms --json {more}"
    )
}

#[test]
fn failures_are_counted_by_reason_with_an_example() {
    let server = Server::start(|asked| match asked.number % 10 {
        3 => problem(503, "queue_full"),
        6 => problem(500, "panicked"),
        9 => Reply::new(200, "{\"almost\": \"an answer\"}"),
        _ => fine(),
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let ran = run(&arguments(&server.url(), ""), &pictures);
    assert!(!ran.ok);
    let phase = ran.phase();
    for (reason, times) in [
        ("503 queue_full", 10),
        ("500 panicked", 10),
        ("an answer that can't be read", 10),
    ] {
        assert_eq!(count(&phase, reason), times, "{phase}");
    }
    assert_eq!(
        (&phase["answered"], &phase["refused"], &phase["failed"]),
        (&70.into(), &10.into(), &20.into())
    );
    let examples = phase["reasons"].to_string();
    assert!(
        examples.contains("almost") && examples.contains("to ankle-boot-1.png, after 0."),
        "{examples}"
    );
    assert_eq!(ran.missed().len(), 2, "{:?}", ran.missed());
}

#[test]
fn allowed_shares_of_failures_pass() {
    let server = Server::start(|asked| match asked.number % 10 {
        3 => problem(503, "queue_full"),
        6 => problem(500, "panicked"),
        _ => fine(),
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let ran = run(
        &arguments(&server.url(), "--failed 10% --refused 10%"),
        &pictures,
    );
    assert!(ran.ok, "{}", ran.stdout);
}

#[test]
fn the_client_reconnects_to_a_server_that_closes_after_each_answer() {
    let server = Server::start(|_| Reply {
        close: true,
        ..fine()
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let ran = run(&arguments(&server.url(), "--connections 4"), &pictures);
    assert!(ran.ok, "{}", ran.stdout);
    assert_eq!(ran.phase()["answered"], 100);
}

#[test]
fn connections_closed_without_an_answer_count_as_failures() {
    for http in [1, 2] {
        let server = Server::start(|asked| match asked.number % 10 {
            5 => Reply::new(0, ""),
            _ => fine(),
        });
        let pictures = Pictures::named(&["ankle-boot-1.png"]);
        let ran = run(
            &arguments(&server.url(), &format!("--http {http} --connections 1")),
            &pictures,
        );
        assert!(!ran.ok);
        let phase = ran.phase();
        assert_eq!(
            count(&phase, "connection closed before the answer"),
            10,
            "HTTP/{http}: {phase}"
        );
        assert_eq!(phase["answered"], 90);
    }
}

#[test]
fn missing_answers_time_out() {
    let server = Server::start(|asked| match asked.number % 10 {
        5 => fine().after(Duration::from_secs(60)),
        _ => fine(),
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    for http in [1, 2] {
        let ran = run(
            &arguments(&server.url(), &format!("--http {http} --timeout 2s")),
            &pictures,
        );
        assert_eq!(
            count(&ran.phase(), "no answer in time"),
            10,
            "HTTP/{http}: {}",
            ran.stdout
        );
    }
}

#[test]
fn an_unreachable_server_is_named_with_a_suggestion() {
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let ran = run(
        &arguments(&format!("http://{address}/predict"), ""),
        &pictures,
    );
    assert!(!ran.ok);
    assert!(
        ran.stderr.contains("can't connect") && ran.stderr.contains("make serve"),
        "{}",
        ran.stderr
    );

    let server = Server::start(|_| problem(415, "image_format_unsupported"));
    let ran = run(&arguments(&server.url(), ""), &pictures);
    assert!(!ran.ok);
    assert!(
        ran.stderr.contains("answered 415") && ran.stderr.contains("curl -sS -i --data-binary @"),
        "{}",
        ran.stderr
    );

    let server = Server::start(|_| Reply::new(200, "[0.1, 0.9]"));
    let ran = run(&arguments(&server.url(), ""), &pictures);
    assert!(ran.stderr.contains("--check status"), "{}", ran.stderr);
    assert!(run(&arguments(&server.url(), "--check status"), &pictures).ok);
}
