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
const UNREAD: &str = "stillhouse_refusals_total{reason=\"answer_unread\"}";
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
        server.until(UNREAD, 100.0 * (round as f64 + 1.0)).await;
        while server.metric(HELD).await > 0.0 {}
        pings.abort();
    }
    assert_eq!(server.metric(CUT).await, 0.0);
    server.assert_well().await;
}

/// What was sent on a stream until it ended: bytes of data, and the reason of a reset.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    data: usize,
    reset: Option<Vec<u8>>,
}

/// Reads until these streams have ended; settings and pings are answered meanwhile.
async fn until_ended<const N: usize>(stream: &mut TcpStream, numbers: [u32; N]) -> [Seen; N] {
    let mut seen = numbers.map(|_| Seen::default());
    let mut left = N;
    while left > 0 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.expect("its payload");
        let on = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let (kind, flags) = (head[3], head[4]);
        assert_ne!(kind, kind::GOAWAY, "the connection goes on");
        if matches!(kind, kind::SETTINGS | kind::PING) && flags & 1 == 0 {
            let answer = if kind == kind::PING {
                &payload[..]
            } else {
                &[]
            };
            let answer = frame(kind, 1, 0, answer);
            stream.write_all(&answer).await.expect("sent");
        }
        let Some(at) = numbers.iter().position(|number| *number == on) else {
            continue;
        };
        match kind {
            kind::DATA => seen[at].data += length,
            kind::RST_STREAM => seen[at].reset = Some(payload),
            _ => {}
        }
        let ends = matches!(kind, kind::DATA | kind::HEADERS) && flags & END_STREAM != 0;
        left -= usize::from(ends || kind == kind::RST_STREAM);
    }
    seen
}

/// A question, and a window for its answer.
fn ask(stream: u32, path: &str, window: u32) -> Vec<u8> {
    let question = frame(kind::HEADERS, END_STREAM | END_HEADERS, stream, &get(path));
    let opened = frame(kind::WINDOW_UPDATE, 0, stream, &window.to_be_bytes());
    [question, opened].concat()
}

/// HTTP/2: neither a large nor a small answer that nobody reads takes the others of its connection along.
#[tokio::test(flavor = "multi_thread")]
async fn c1_an_unread_answer_ends_its_stream_alone() {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    let server = TestServer::start(|config| config.connections.write_timeout_seconds = 1).await;
    let mut stream = connect(server.data).await;
    let all = 1_u32 << 29;
    let mut bytes = preface(0);
    bytes.extend(frame(kind::WINDOW_UPDATE, 0, 0, &all.to_be_bytes()));
    for (number, path) in [(1, LARGE), (3, "/healthz")] {
        bytes.extend(ask(number, path, 1));
    }
    stream.write_all(&bytes).await.expect("sent");
    // One byte of each was asked for.
    for seen in until_ended(&mut stream, [1, 3]).await {
        let reset = Some(CANCEL.to_vec());
        assert_eq!(seen, Seen { data: 1, reset });
    }
    stream.write_all(&ask(5, LARGE, all)).await.expect("sent");
    let [seen] = until_ended(&mut stream, [5]).await;
    assert!(seen.data > 500_000 && seen.reset.is_none(), "{seen:?}");
    assert_eq!(server.metric(UNREAD).await, 2.0);
    assert_eq!(server.metric(CUT).await, 0.0);
}

/// What the HTTP library refuses has no text, but it is counted like everything else.
#[tokio::test(flavor = "multi_thread")]
async fn c8_what_is_refused_over_http2_is_counted() {
    let server = TestServer::start(|_| ()).await;
    let long = 20_000;
    // A header `a` with a value of this length (RFC 7541, 5.1 and 6.2.2).
    let mut block = [&get("/healthz")[..], &[0, 1, b'a', 0x7f]].concat();
    let rest = long - 127;
    block.extend([
        (rest % 128) as u8 | 0x80,
        (rest / 128 % 128) as u8 | 0x80,
        (rest / 16384) as u8,
    ]);
    block.extend(vec![b'x'; long]);
    let (first, second) = block.split_at(16_000);
    let oversized = [
        frame(kind::HEADERS, END_STREAM, 1, first),
        frame(kind::CONTINUATION, END_HEADERS, 1, second),
    ];
    let misplaced = [frame(kind::DATA, 0, 0, b"x"), Vec::new()];
    for (code, frames) in [
        ("head_too_large", oversized),
        ("http2_protocol_error", misplaced),
    ] {
        let mut stream = connect(server.data).await;
        let bytes = [preface(65_535), frames.concat()].concat();
        stream.write_all(&bytes).await.expect("sent");
        let counted = format!("stillhouse_refusals_total{{reason=\"{code}\"}}");
        server.until(&counted, 1.0).await;
        assert_eq!(server.metric(&counted).await, 1.0);
    }
    server.assert_well().await;
}
