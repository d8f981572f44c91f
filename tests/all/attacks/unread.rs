//! C1: texts that are repeated, and answers that nobody reads.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::wire::{
    END_HEADERS, END_STREAM, answer_pings, connect, connect_small, frame, get, gzip, kind, preface,
};
use crate::server::TestServer;

/// The largest answer of this server: a script of the documentation.
const LARGE: &str = "/docs/swagger-ui-bundle.js";
const HELD: &str = "stillhouse_request_bytes_in_flight";
const CUT: &str = "stillhouse_connections_cut_total{listener=\"data\",reason=\"unread\"}";

#[tokio::test(flavor = "multi_thread")]
async fn c1_what_a_caller_wrote_is_repeated_as_an_excerpt() {
    let server = TestServer::start(|_| ()).await;
    let long = "x".repeat(8_000_000);
    let json = gzip(format!("{{\"{long}\":1}}").as_bytes());
    let reply = server
        .post("/predict", json, &[("content-encoding", "gzip")])
        .await;
    reply.assert_problem(400, "json_invalid");
    assert!(reply.text.len() < 1500, "{} bytes", reply.text.len());

    let word = "y".repeat(10_000);
    for path in [
        format!("/predict?{word}=1"),
        format!("/predict?top_k={word}"),
    ] {
        let reply = server.post(&path, "", &[]).await;
        reply.assert_problem(400, "query_invalid");
        assert!(reply.text.len() < 1500, "{} bytes", reply.text.len());
    }
    let request = server
        .client
        .request(word.parse().expect("a method"), server.url("/predict"));
    let reply = crate::server::Reply::of(request.send().await.expect("an answer")).await;
    reply.assert_problem(405, "method_not_allowed");
    assert!(reply.text.len() < 1500, "{} bytes", reply.text.len());
    for body in [
        format!("{{\"{word}\":1}}"),
        format!("{{\"reason\":\"a\",\"version\":\"{word}\"}}"),
        format!("{{\"share\":\"{word}\",\"version\":\"v1\"}}"),
    ] {
        let body = serde_json::from_str(&body).expect("JSON");
        let reply = server.order("POST", "canary", body).await;
        assert_eq!(reply.status, 422, "{}", reply.text);
        assert!(reply.text.len() < 1500, "{} bytes", reply.text.len());
    }
}

/// HTTP/1: one byte now and then is no reading.
#[tokio::test(flavor = "multi_thread")]
async fn c1_an_answer_that_is_read_byte_by_byte_is_ended() {
    let server = TestServer::start(|config| config.connections.write_timeout_seconds = 1).await;
    let mut stream = connect_small(server.data).await;
    let question = format!("GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(question.as_bytes()).await.expect("sent");
    server.until(HELD, 500_000.0).await;
    let slow = tokio::spawn(async move {
        while let Ok(1..) = stream.read(&mut [0; 512]).await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    server.until(CUT, 1.0).await;
    while server.metric(HELD).await > 0.0 {}
    slow.abort();
    server.assert_well().await;
}

async fn ask_with_window(stream: &mut TcpStream, window: u32, streams: u32) {
    let mut bytes = preface(window);
    for number in 0..streams {
        let flags = END_STREAM | END_HEADERS;
        bytes.extend(frame(kind::HEADERS, flags, 2 * number + 1, &get(LARGE)));
    }
    stream.write_all(&bytes).await.expect("sent");
}

/// HTTP/2: the window stays closed, or open by a crack, and pings are answered.
#[tokio::test(flavor = "multi_thread")]
async fn c1_answers_for_closed_windows_are_charged_and_ended() {
    let server = TestServer::start(|config| {
        config.connections.write_timeout_seconds = 1;
        config.requests.max_bytes_in_flight = 32 << 20;
    })
    .await;
    for (round, window) in [0, 1].into_iter().enumerate() {
        let mut stream = connect(server.data).await;
        ask_with_window(&mut stream, window, 100).await;
        let pings = tokio::spawn(answer_pings(stream));
        server.until(HELD, 1_000_000.0).await;
        assert!(server.metric(HELD).await <= f64::from(32 << 20));
        server.assert_well().await;
        server.until(CUT, round as f64 + 1.0).await;
        while server.metric(HELD).await > 0.0 {}
        pings.await.expect("the server has closed");
    }
    server.assert_well().await;
}
