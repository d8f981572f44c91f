//! C5: small requests that become large, and large ones that never end.

use tokio::io::AsyncWriteExt;

use super::wire::{connect, gzip, head};
use crate::server::TestServer;

const HELD: &str = "stillhouse_request_bytes_in_flight";

#[tokio::test(flavor = "multi_thread")]
async fn c5_json_bombs_are_stopped_while_they_are_read() {
    let server = TestServer::start(|_| ()).await;
    let wrapped = |instances: &str| gzip(format!("{{\"instances\":[{instances}]}}").as_bytes());
    let zeros = "0,".repeat(7_000_000) + "0";
    for (bomb, status, code) in [
        (
            wrapped(&("[],".repeat(5_000_000) + "[]")),
            400,
            "too_many_pictures",
        ),
        (
            wrapped(&("{\"b64\":\"\"},".repeat(1_000_000) + "[]")),
            400,
            "too_many_pictures",
        ),
        (wrapped(&format!("[[{zeros}]]")), 400, "shape_mismatch"),
    ] {
        assert!(bomb.len() < 40_000, "{} bytes", bomb.len());
        let ask = || server.post("/predict", bomb.clone(), &[("content-encoding", "gzip")]);
        for reply in futures_util::future::join_all((0..4).map(|_| ask())).await {
            let given = match reply.json()["results"][0]["error"]["code"].as_str() {
                Some(code) => code.to_owned(),
                None => reply.json()["code"].as_str().unwrap_or_default().to_owned(),
            };
            // On a busy machine the deadline may pass while others are read.
            let refused = ["too_many_bytes_in_flight", "deadline_exceeded"].contains(&&*given);
            assert!(
                refused || (reply.status, &*given) == (status, code),
                "{}",
                reply.text
            );
        }
        // An answer counts until its connection has let go of it, a moment after it was read.
        while server.metric(HELD).await > 0.0 {}
    }
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_half_sent_bodies_are_refused_beyond_the_budget_and_small_requests_are_not() {
    let limit = 64 << 20;
    let server = TestServer::start(|config| config.requests.max_bytes_in_flight = limit).await;
    let mut halves = Vec::new();
    let body = vec![b'x'; 4_000_000];
    for _ in 0..40 {
        let mut stream = connect(server.data).await;
        let head = head("/predict", "", 15_000_000);
        // A refused one may be closed while it sends.
        let _ = stream.write_all(&head).await;
        let sent = stream.write_all(&body);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), sent).await;
        halves.push(stream);
        assert!(server.metric(HELD).await <= limit as f64);
    }
    let refused = "stillhouse_refusals_total{reason=\"too_many_bytes_in_flight\"}";
    assert!(server.metric(refused).await >= 1.0);
    server.assert_well().await;
    drop(halves);
    while server.metric(HELD).await > 0.0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_hundred_compressed_bodies_share_the_budget() {
    let limit = 64 << 20;
    let server = TestServer::start(|config| config.requests.max_bytes_in_flight = limit).await;
    let bomb = gzip(&vec![b' '; 16_000_000]);
    assert!(bomb.len() < 17_000);
    let ask = || server.post("/predict", bomb.clone(), &[("content-encoding", "gzip")]);
    let all = futures_util::future::join_all((0..100).map(|_| ask()));
    for reply in all.await {
        let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
        let expected = [
            "no_picture",
            "too_many_bytes_in_flight",
            "deadline_exceeded",
        ];
        assert!(expected.contains(&&*code), "{}", reply.text);
    }
    while server.metric(HELD).await > 0.0 {}
    server.assert_well().await;
}
