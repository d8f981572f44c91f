//! Bodies: refused by their head if possible, within one budget, and read to their end after an early answer.

use std::{sync::mpsc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    server::{Reply, TestServer},
    toy::{SIDE, brightness, gray_png},
};

const LONG: Duration = Duration::from_secs(20);

async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    tokio::time::timeout(LONG, stream.write_all(bytes))
        .await
        .expect("the server goes on reading")
        .expect("the connection stays whole");
}

/// One answer of HTTP/1.1 with a Content-Length.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = tokio::time::timeout(LONG, stream.read(&mut buffer)).await;
        let read = read
            .expect("an answer")
            .expect("the connection stays whole");
        assert!(read > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .expect("a length");
        if body.len() >= length.parse().expect("a number") {
            return text;
        }
    }
}

/// A client that continues to write after it was refused, as proxies do, reads the answer and can reuse its connection.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_early_answer_the_rest_of_the_body_is_read() {
    let server = TestServer::start(|_| ()).await;
    let mut stream = TcpStream::connect(server.data).await.expect("connects");
    let part = vec![b'x'; 256 << 10];
    for round in 0..3 {
        let head = format!(
            "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            16 * part.len()
        );
        send(&mut stream, head.as_bytes()).await;
        let refused = answer(&mut stream).await;
        assert!(
            refused.starts_with("HTTP/1.1 404"),
            "round {round}: {refused}"
        );
        for _ in 0..16 {
            send(&mut stream, &part).await;
        }
    }
    send(&mut stream, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer(&mut stream).await.contains("200 OK"));
}

/// A body above the limit is refused by its head; its sender isn't disconnected while it still sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_without_a_reset() {
    let server = TestServer::start(|config| config.requests.max_body_bytes = 1 << 20).await;
    let mut stream = TcpStream::connect(server.data).await.expect("connects");
    let part = vec![b'x'; 256 << 10];
    let head = format!(
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        32 * part.len()
    );
    send(&mut stream, head.as_bytes()).await;
    for _ in 0..32 {
        send(&mut stream, &part).await;
    }
    let refused = answer(&mut stream).await;
    assert!(
        refused.starts_with("HTTP/1.1 413") && refused.contains("connection: close"),
        "{refused}"
    );
    let end = tokio::time::timeout(LONG, stream.read(&mut [0; 16])).await;
    assert_eq!(end.expect("closed in time").expect("an orderly end"), 0);
}

/// Over HTTP/2 the stream isn't reset either, and the connection's other streams continue.
#[tokio::test(flavor = "multi_thread")]
async fn over_http2_an_early_answer_resets_nothing() {
    let server = TestServer::start(|config| config.requests.max_body_bytes = 1 << 20).await;
    let client = reqwest::Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    for path in ["/nowhere", "/predict", "/nowhere"] {
        let request = client.post(server.url(path)).body(vec![b'x'; 8 << 20]);
        let reply = Reply::of(request.send().await.expect("an answer")).await;
        let status = if path == "/predict" { 413 } else { 404 };
        assert_eq!(reply.status, status, "{}", reply.text);
    }
    server.assert_well().await;
}

/// A full queue is known from the head: no request waits for a body that would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_before_the_body_has_come() {
    let (entered, entries) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let opened = std::sync::Mutex::new(opened);
    let script = move |input: &[f32], rows: usize| {
        if input[0] > 0.7 && input[0] < 0.9 {
            let _ = entered.send(());
            let _ = opened.lock().expect("one worker").recv();
        }
        brightness(input, rows)
    };
    let server = TestServer::scripted(script, |config| {
        config.batch.max_batch = 1;
        config.batch.queue = 1;
    })
    .await;
    // For a moment a row counts twice, in the queue and as a reserved place, so the second may be refused at first.
    let held = |luma| {
        let (client, url) = (server.client.clone(), server.url("/predict"));
        tokio::spawn(async move {
            loop {
                let request = client.post(&url).body(gray_png(SIDE, luma));
                let status = request.send().await.expect("an answer").status();
                if status != 503 {
                    return status;
                }
            }
        })
    };
    let first = held(200);
    let entries = tokio::task::spawn_blocking(move || entries.recv().map(|()| entries));
    let _entries = entries.await.expect("no panic").expect("the engine has it");
    let second = held(0);
    let mut stream = TcpStream::connect(server.data).await.expect("connects");
    // Until the second request is in the queue, the head alone is accepted and waits for its body; so each try is a
    // connection of its own.
    let refused = loop {
        send(
            &mut stream,
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 397\r\n\r\n",
        )
        .await;
        match tokio::time::timeout(Duration::from_millis(50), answer(&mut stream)).await {
            Ok(refused) => break refused,
            Err(_) => stream = TcpStream::connect(server.data).await.expect("connects"),
        }
    };
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("\"queue_full\""),
        "{refused}"
    );
    assert!(refused.contains("retry-after: 1"), "{refused}");
    drop(open);
    for answered in [first, second] {
        assert_eq!(answered.await.expect("no panic"), 200);
    }
}

/// All requests together have one budget; a request that ends frees its bytes.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_share_one_budget_of_bytes() {
    // 4000 bytes guaranteed for each of 16 connections, 192 000 shared; one gets at most half of what is left.
    let server = TestServer::start(|config| {
        config.requests.max_bytes_in_flight = 256_000;
        config.connections.max_connections = 16;
    })
    .await;
    let in_flight = "stillhouse_request_bytes_in_flight";
    let mut halves = Vec::new();
    for held in [80_000.0, 130_000.0] {
        let length = if halves.is_empty() { 80_000 } else { 50_000 };
        let mut half = TcpStream::connect(server.data).await.expect("connects");
        let head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 85000\r\n\r\n";
        // Not more is announced than fits.
        let head = head.replace("85000", &(length + 1000).to_string());
        send(&mut half, head.as_bytes()).await;
        send(&mut half, &vec![b'x'; length]).await;
        server.until(in_flight, held).await;
        halves.push(half);
    }
    // Once by the announced length, and once by the bytes received of a body without one.
    let large = vec![b'y'; 60_000];
    server
        .predict(large.clone())
        .await
        .assert_problem(503, "too_many_bytes_in_flight");
    let mut chunked = TcpStream::connect(server.data).await.expect("connects");
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    send(
        &mut chunked,
        format!("{head}{:x}\r\n", large.len()).as_bytes(),
    )
    .await;
    send(&mut chunked, &large).await;
    let refused = answer(&mut chunked).await;
    assert!(
        refused.contains("\"too_many_bytes_in_flight\""),
        "{refused}"
    );
    server.assert_well().await;
    drop(halves);
    while server.metric(in_flight).await > 0.0 {}
    server
        .predict(large)
        .await
        .assert_problem(415, "image_format_unsupported");
}
