//! Bad requests: each is refused with its reason, counted, and the next good request is answered.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder, write::ZlibEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    server::TestServer,
    toy::{SIDE, gray_png},
};

/// Sends bytes unchanged, reads until the server closes or has sent a whole head; gives up after 20 s.
async fn raw(server: &TestServer, parts: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(server.data).await.expect("connects");
    for part in parts {
        // A server that has already refused may close while we still write.
        if stream.write_all(part).await.is_err() {
            break;
        }
    }
    read_all(&mut stream).await
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&buffer[..n]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("the server ends what it refuses");
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(headers: &str) -> Vec<u8> {
    format!("POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn tensors_and_json_of_impossible_shape_are_refused_before_they_cost_anything() {
    let server = TestServer::start(|_| ()).await;
    let deep = format!("{{\"instances\":[{}", "[".repeat(100_000));
    let keys: String = (0..1_000_000).map(|n| format!("\"k{n}\":1,")).collect();
    let wide = format!("{{{keys}\"instances\":[]}}");
    let many = format!("{{\"instances\":[{}]}}", vec!["[1]"; 65].join(","));
    for (body, code) in [
        (
            r#"{"instances":[{"shape":[99999999999999,4],"data":[1]}]}"#.to_owned(),
            "json_invalid",
        ),
        (
            r#"{"shape":[-1],"instances":[[1]]}"#.to_owned(),
            "json_invalid",
        ),
        (deep, "json_invalid"),
        (wide, "json_invalid"),
        (
            r#"{"instances":[[1]],"instances":[[1]]}"#.to_owned(),
            "json_invalid",
        ),
        (r#"{"instances":[[NaN]]}"#.to_owned(), "json_invalid"),
        (r#"{"instances":[[Infinity]]}"#.to_owned(), "json_invalid"),
        (r#"{"instances":[[1e39]]}"#.to_owned(), "json_invalid"),
        (r#"{"instances":[[1e999]]}"#.to_owned(), "json_invalid"),
        (r#"{"instances":[]}"#.to_owned(), "no_picture"),
        (r#"[[1]]"#.to_owned(), "json_invalid"),
        (r#"{"instances":"#.to_owned(), "json_invalid"),
        (many, "too_many_pictures"),
        (String::new(), "no_picture"),
        ("  \n".to_owned(), "no_picture"),
    ] {
        let start: String = body.chars().take(60).collect();
        let reply = server.predict(body).await;
        assert_eq!(reply.status, 400, "{start}: {}", reply.text);
        reply.assert_problem(400, code);
        assert!(
            reply.text.len() < 2000,
            "{start}: an answer of {} bytes",
            reply.text.len()
        );
    }
    let reply = server.predict(r#"{"instances":[[1,2,3]]}"#).await;
    assert_eq!(reply.status, 400);
    let error = &reply.json()["results"][0]["error"];
    assert_eq!(error["code"], "shape_mismatch");
    assert!(
        error["detail"]
            .as_str()
            .expect("text")
            .contains("[1, 4, 4]"),
        "{error}"
    );
    assert!(
        server
            .metric("stillhouse_refusals_total{reason=\"json_invalid\"}")
            .await
            >= 10.0
    );
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_with_and_without_its_length() {
    let server = TestServer::start(|config| config.requests.max_body_bytes = 10_000).await;
    let answer = raw(&server, &[&post("Content-Length: 1000000000000\r\n")]).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let chunk = format!("2710\r\n{}\r\n", "x".repeat(10_000));
    let head = post("Transfer-Encoding: chunked\r\n");
    let chunked = raw(&server, &[&head, chunk.as_bytes(), chunk.as_bytes()]).await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    assert!(chunked.contains("\"code\":\"body_too_large\"") && chunked.contains("10000 bytes"));
    let just = server.predict(vec![b'x'; 10_000]).await;
    just.assert_problem(415, "image_format_unsupported");
    assert_eq!(
        server
            .metric("stillhouse_refusals_total{reason=\"body_too_large\"}")
            .await,
        2.0
    );
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_decompressed_within_the_limit() {
    let server = TestServer::start(|config| config.requests.max_body_bytes = 100_000).await;
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(&gray_png(SIDE, 0)).expect("memory");
    let deflate = deflate.finish().expect("memory");
    for (encoding, body) in [("gzip", gzip(&gray_png(SIDE, 0))), ("deflate", deflate)] {
        let reply = server
            .post("/predict", body, &[("content-encoding", encoding)])
            .await;
        assert_eq!(
            reply.json()["predictions"][0]["label"],
            "dark",
            "{}",
            reply.text
        );
    }
    let bomb = gzip(&vec![0; 50_000_000]);
    assert!(bomb.len() < 100_000);
    let ask = |body: Vec<u8>, encoding: &'static str| {
        let server = &server;
        async move {
            server
                .post("/predict", body, &[("content-encoding", encoding)])
                .await
        }
    };
    ask(bomb, "gzip")
        .await
        .assert_problem(413, "body_inflates_too_far");
    let mut cut = gzip(&gray_png(SIDE, 0));
    cut.truncate(cut.len() - 9);
    ask(cut, "gzip")
        .await
        .assert_problem(400, "body_encoding_corrupt");
    ask(vec![1, 2, 3], "deflate")
        .await
        .assert_problem(400, "body_encoding_corrupt");
    ask(vec![1, 2, 3], "br")
        .await
        .assert_problem(415, "body_encoding_unknown");
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_tiny_chunks_are_bounded() {
    let server = TestServer::start(|_| ()).await;
    let chunks = "1\r\nx\r\n".repeat(1_000_000) + "0\r\n\r\n";
    let begun = Instant::now();
    let answer = raw(
        &server,
        &[&post("Transfer-Encoding: chunked\r\n"), chunks.as_bytes()],
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_disconnected_in_time() {
    let server = TestServer::start(|config| {
        config.connections.header_timeout_seconds = 1;
        config.connections.write_timeout_seconds = 1;
        config.requests.body_timeout_seconds = 1;
    })
    .await;
    let begun = Instant::now();
    assert_eq!(raw(&server, &[]).await, "", "sends nothing: closed");
    assert_eq!(
        raw(&server, &[b"PRI * HT"]).await,
        "",
        "half a preface: closed"
    );
    let half = raw(&server, &[b"GET /livez HTTP/1.1\r\nHos"]).await;
    assert!(
        half.is_empty() || half.starts_with("HTTP/1.1 408"),
        "{half}"
    );
    let body = raw(&server, &[&post("Content-Length: 10\r\n"), b"half"]).await;
    assert!(
        body.starts_with("HTTP/1.1 408") && body.contains("body_too_slow"),
        "{body}"
    );
    assert!(begun.elapsed() < Duration::from_secs(15));

    // A client that never reads: pipelined requests whose answers fill every buffer, until the server gives up.
    let mut deaf = TcpStream::connect(server.data).await.expect("connects");
    let questions = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    let cut = async {
        loop {
            if deaf.write_all(&questions).await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cut)
        .await
        .expect("a client that doesn't read is disconnected");
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_is_capped_and_the_admin_plane_answers() {
    let server = TestServer::start(|config| config.connections.max_connections = 8).await;
    let mut open = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(server.data).await.expect("connects");
        // A request that waits for its body is in use; an idle connection would give its place to a new one.
        let half = [&post("Content-Length: 100\r\n")[..], b"half"].concat();
        stream.write_all(&half).await.expect("writes");
        open.push(stream);
    }
    while server
        .metric("stillhouse_connections_refused_total{listener=\"data\"}")
        .await
        < 1.0
    {
        let mut newest = TcpStream::connect(server.data).await.expect("connects");
        let _ = newest
            .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await;
        read_all(&mut newest).await;
    }
    let admin = server
        .client
        .get(format!("http://{}/readyz", server.admin))
        .send()
        .await;
    assert_eq!(admin.expect("an answer").status(), 200);
    drop(open);
    while server
        .metric("stillhouse_connections{listener=\"data\"}")
        .await
        > 1.0
    {}
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_framing_is_refused_and_the_connection_closed() {
    let server = TestServer::start(|_| ()).await;
    for request in [
        "POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
        "GET /livez HTTP/1.1\rHost: x\r\r",
        "GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let answer = raw(&server, &[request.as_bytes()]).await;
        assert!(
            answer.starts_with("HTTP/1.1 400"),
            "{request:?}: {answer:?}"
        );
        assert_eq!(
            answer.matches("x-request-id: ").count(),
            1,
            "{request:?}: nothing follows"
        );
    }
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_paths_methods_models_and_queries_name_the_right_ones() {
    let server = TestServer::start(|_| ()).await;
    server.get("/nowhere").await.assert_problem(404, "no_route");
    let method = server.get("/predict").await;
    method.assert_problem(405, "method_not_allowed");
    assert_eq!(method.header("allow"), "POST");
    for name in ["none", "..%2f..%2fetc", "%00", "toy%20", "%C3%A9"] {
        let path = format!("/models/{name}/predict");
        let reply = server.post(&path, gray_png(SIDE, 0), &[]).await;
        reply.assert_problem(404, "unknown_model");
    }
    for (query, names) in [
        ("top=3", "top"),
        ("top_k=x", "top_k"),
        ("top_k=0", "1 and 3"),
        ("top_k=4", "1 and 3"),
    ] {
        let reply = server
            .post(&format!("/predict?{query}"), gray_png(SIDE, 0), &[])
            .await;
        assert_eq!(reply.status, 400, "{query}: {}", reply.text);
        assert!(reply.text.contains(names), "{query}: {}", reply.text);
    }
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multipart_that_is_empty_endless_or_broken_is_refused() {
    let server = TestServer::start(|_| ()).await;
    let part = "--b\r\nContent-Disposition: form-data; name=\"i\"; filename=\"i\"\r\n\r\nx\r\n";
    let form = |content_type: &'static str, body: String| {
        let server = &server;
        async move {
            server
                .post("/predict", body, &[("content-type", content_type)])
                .await
        }
    };
    let ours = "multipart/form-data; boundary=b";
    form(ours, "--b--\r\n".into())
        .await
        .assert_problem(400, "no_picture");
    form(ours, part.repeat(500) + "--b--\r\n")
        .await
        .assert_problem(400, "too_many_pictures");
    form(ours, part.into())
        .await
        .assert_problem(400, "multipart_invalid");
    form("multipart/form-data", part.into())
        .await
        .assert_problem(400, "multipart_invalid");
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_request_ids_are_replaced() {
    let server = TestServer::start(|_| ()).await;
    let long = "x".repeat(129);
    for id in ["a b", "a\tb", "<script>", long.as_str(), ""] {
        let reply = server
            .post("/predict", gray_png(SIDE, 0), &[("x-request-id", id)])
            .await;
        assert_ne!(reply.header("x-request-id"), id);
        assert_eq!(reply.header("x-request-id").len(), 36, "a fresh UUID");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_rapid_reset_ends_that_connection_only() {
    let server = TestServer::start(|_| ()).await;
    let mut stream = TcpStream::connect(server.data).await.expect("connects");
    let frame = |kind: u8, flags: u8, id: u32, payload: &[u8]| {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    // HPACK: POST (3), http (6), path /predict and authority x as literals without indexing.
    let mut head = vec![0x83, 0x86, 0x04, 8];
    head.extend(b"/predict");
    head.extend([0x01, 1, b'x']);
    for stream_id in (1..20_001u32).step_by(2) {
        bytes.extend(frame(1, 4, stream_id, &head));
        bytes.extend(frame(3, 0, stream_id, &8u32.to_be_bytes()));
    }
    let _ = stream.write_all(&bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
        .await
        .expect("the server ends the connection");
    let mut goaway = false;
    let mut rest = &answer[..];
    while let [a, b, c, kind, _, _, _, _, _, tail @ ..] = rest {
        goaway |= *kind == 7;
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        rest = tail.get(length..).unwrap_or_default();
    }
    assert!(goaway, "GOAWAY among {} bytes", answer.len());
    let counted = "stillhouse_refusals_total{reason=\"http2_enhance_your_calm\"}";
    assert_eq!(server.metric(counted).await, 1.0);
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_answers_requests_in_flight_and_closes_stuck_connections() {
    let (entered, entries) = std::sync::mpsc::channel();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let script = move |input: &[f32], rows: usize| {
        if (input[0] * 255.0).round() == 77.0 {
            let _ = entered.send(());
            let _ = gate.lock().expect("one worker").recv();
        }
        crate::toy::brightness(input, rows)
    };
    let mut server = TestServer::scripted(script, |config| {
        config.server.drain_timeout_seconds = 3;
        config.requests.body_timeout_seconds = 60;
    })
    .await;
    let request = server
        .client
        .post(server.url("/predict"))
        .body(gray_png(SIDE, 77));
    let in_flight = tokio::spawn(request.send());
    tokio::task::spawn_blocking(move || entries.recv())
        .await
        .expect("no panic")
        .expect("running");
    let mut stuck = TcpStream::connect(server.data).await.expect("connects");
    stuck
        .write_all(&post("Content-Length: 10\r\n"))
        .await
        .expect("writes");
    stuck.write_all(b"half").await.expect("writes");
    while server.metric("stillhouse_requests_in_flight").await < 3.0 {}

    server.begin_stop();
    let ready = format!("http://{}/readyz", server.admin);
    let readiness = loop {
        let status = server
            .client
            .get(&ready)
            .send()
            .await
            .expect("the admin plane answers")
            .status();
        if status != 200 {
            break status;
        }
    };
    assert_eq!(readiness, 503);
    open.send(()).expect("open");
    let answer = in_flight.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(
        read_all(&mut stuck).await,
        "",
        "the stuck client is cut without an answer"
    );
    server.ended().await;
}
