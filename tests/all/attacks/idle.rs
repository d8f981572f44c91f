//! C4: connections that do nothing.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::wire::{
    END_HEADERS, PATIENCE, answer_pings, connect, frame, get, kind, preface, until_closed,
};
use crate::{
    server::TestServer,
    toy::{SIDE, gray_png},
};

#[tokio::test(flavor = "multi_thread")]
async fn c4_idle_connections_keep_nobody_out() {
    let server = TestServer::start(|config| config.connections.max_connections = 8).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut stream = connect(server.data).await;
        stream.write_all(&preface(65_535)).await.expect("sent");
        idle.push(tokio::spawn(answer_pings(stream)));
    }
    let open = "stillhouse_connections{listener=\"data\"}";
    server.until(open, 7.0).await;
    for _ in 0..20 {
        // Each on a connection of its own.
        let client = reqwest::Client::builder().no_proxy().build();
        let request = client
            .expect("a client")
            .post(server.url("/predict"))
            .body(gray_png(SIDE, 250));
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
    let made_room = "stillhouse_connections_cut_total{listener=\"data\",reason=\"made_room\"}";
    assert!(server.metric(made_room).await >= 20.0);
    let refused = "stillhouse_connections_refused_total{listener=\"data\"}";
    assert!(server.metric(open).await <= 9.0 && server.metric(refused).await <= 40.0);
    idle.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn c4_pings_keep_no_connection() {
    let server = TestServer::start(|config| config.connections.header_timeout_seconds = 1).await;
    let begun = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(server.data).await;
        stream.write_all(&preface(65_535)).await.expect("sent");
        idle.push(tokio::spawn(answer_pings(stream)));
    }
    for one in idle {
        let ended = tokio::time::timeout(PATIENCE, one).await;
        ended.expect("closed").expect("no panic");
    }
    assert!(begun.elapsed() > Duration::from_millis(900));
    server.assert_well().await;
}

/// HTTP/2: a block of headers that never ends, although something comes all the time.
#[tokio::test(flavor = "multi_thread")]
async fn c4_a_half_sent_block_of_headers_is_ended() {
    let server = TestServer::start(|config| config.connections.header_timeout_seconds = 2).await;
    for drip in [false, true] {
        let mut stream = connect(server.data).await;
        let block = frame(kind::HEADERS, 0, 1, &get("/livez"));
        let half = if drip { block.len() } else { block.len() - 3 };
        let opening = [preface(65_535), block[..half].to_vec()].concat();
        stream.write_all(&opening).await.expect("sent");
        let begun = Instant::now();
        let ended = async {
            loop {
                let piece = frame(kind::CONTINUATION, 0, 1, &[]);
                if drip && stream.write_all(&piece).await.is_err() {
                    break;
                }
                let closed = until_closed(&mut stream);
                if tokio::time::timeout(Duration::from_millis(300), closed)
                    .await
                    .is_ok()
                {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("closed");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    // A whole block, in two frames, is a request like any other.
    let (first, rest) = (get("/livez"), [0x00, 1, b'a', 1, b'b']);
    let mut stream = connect(server.data).await;
    let whole = [
        preface(65_535),
        frame(kind::HEADERS, 1, 1, &first),
        frame(kind::CONTINUATION, END_HEADERS, 1, &rest),
    ]
    .concat();
    stream.write_all(&whole).await.expect("sent");
    let answer = until_closed(&mut stream).await;
    assert!(answer.contains("ok\n"), "{answer:?}");
}

/// HTTP/1: half a head is answered when its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn c4_half_a_head_is_refused_in_time() {
    let server = TestServer::start(|config| config.connections.header_timeout_seconds = 1).await;
    let mut stream = connect(server.data).await;
    let before = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(before).await.expect("sent");
    stream
        .write_all(b"POST /predict HTTP/1.1\r\nHost: x\r\nConte")
        .await
        .expect("sent");
    let answers = until_closed(&mut stream).await;
    assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
    assert!(
        answers.contains("HTTP/1.1 408") && answers.contains("\"head_too_slow\""),
        "{answers}"
    );
    let counted = "stillhouse_refusals_total{reason=\"head_too_slow\"}";
    assert_eq!(server.metric(counted).await, 1.0);
}
