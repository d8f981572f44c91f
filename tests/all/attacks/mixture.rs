//! All attacks at once against one process: it lives, operators and honest callers are answered, and the memory returns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, task::JoinSet};

use super::{
    child::Limited,
    wire::{
        END_HEADERS, END_STREAM, answer_pings, connect, connect_small, frame, get, gzip, head,
        kind, post, preface,
    },
};
use crate::toy::{SIDE, gray_png};

/// The attacks go on for so long.
const ATTACKED: Duration = Duration::from_secs(15);

/// All requests together may hold so much; the system's buffers and the parsers' come on top.
const BUDGET_BYTES: u64 = 128 << 20;

/// An answer that takes longer counts as none. Far above the half second that a quiet machine keeps: this one may be busy.
const SILENCE: Duration = Duration::from_secs(5);

/// A client that attacks once, then again with a new connection.
async fn attack(kind_of_attack: usize, data: std::net::SocketAddr) {
    let encoded = "Content-Encoding: gzip\r\n";
    match kind_of_attack % 7 {
        0 => {
            let key = format!("{{\"{}\":1}}", "x".repeat(8_000_000));
            send_and_wait(data, &post("/predict", encoded, &gzip(key.as_bytes()))).await;
        }
        1 => {
            let lists = format!("{{\"instances\":[{}", "[],".repeat(5_000_000));
            send_and_wait(data, &post("/predict", encoded, &gzip(lists.as_bytes()))).await;
        }
        2 => {
            let spaces = gzip(&vec![b' '; 16_000_000]);
            send_and_wait(data, &post("/predict", encoded, &spaces)).await;
        }
        3 => {
            let half = [head("/predict", "", 15_000_000), vec![b'x'; 8_000_000]].concat();
            send_and_wait(data, &half).await;
        }
        4 | 5 => {
            let window = (kind_of_attack % 2) as u32;
            let mut bytes = preface(window);
            for stream in 0..100 {
                let flags = END_STREAM | END_HEADERS;
                let block = get("/docs/swagger-ui-bundle.js");
                bytes.extend(frame(kind::HEADERS, flags, 2 * stream + 1, &block));
            }
            let mut stream = connect(data).await;
            let _ = stream.write_all(&bytes).await;
            let _ = tokio::time::timeout(Duration::from_secs(4), answer_pings(stream)).await;
        }
        _ => {
            let mut stream = connect_small(data).await;
            let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
            let _ = stream.write_all(request).await;
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
    }
}

async fn send_and_wait(data: std::net::SocketAddr, request: &[u8]) {
    let mut stream = connect(data).await;
    let _ = tokio::time::timeout(Duration::from_secs(4), async {
        let _ = stream.write_all(request).await;
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c_all_attacks_at_once_end_nothing_and_leave_nothing_behind() {
    let budget = format!("requests.max_bytes_in_flight={BUDGET_BYTES}");
    let settings = [
        &*budget,
        "connections.write_timeout_seconds=3",
        "requests.body_timeout_seconds=3",
    ];
    let mut server = Limited::start("true", &settings);
    let honest = async |server: &Limited| {
        let predict = server
            .client
            .post(format!("http://{}/predict", server.data));
        let begun = Instant::now();
        let answer = predict.body(gray_png(SIDE, 250)).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("\"label\":\"bright\""), "{text}");
        begun.elapsed()
    };
    for _ in 0..50 {
        honest(&server).await;
    }
    let calm = server.memory("VmRSS");

    let over = Arc::new(AtomicBool::new(false));
    let mut attackers = JoinSet::new();
    for number in 0..70 {
        let (data, over) = (server.data, over.clone());
        attackers.spawn(async move {
            while !over.load(Relaxed) {
                attack(number, data).await;
            }
        });
    }
    let begun = Instant::now();
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    while begun.elapsed() < ATTACKED {
        for path in ["/readyz", "/metrics", "/admin/models"] {
            let (status, took) = server.admin("GET", path, "").await;
            assert_eq!(status, 200, "{path}");
            slowest = slowest.max(took);
        }
        slowest = slowest.max(honest(&server).await);
        asked += 1;
        let held = server.metric("stillhouse_request_bytes_in_flight").await;
        assert!(held <= 1.1 * BUDGET_BYTES as f64, "{held} bytes");
    }
    over.store(true, Relaxed);
    while attackers.join_next().await.is_some() {}
    let peak = server.memory("VmHWM");
    while server.metric("stillhouse_request_bytes_in_flight").await > 0.0 {}
    for _ in 0..50 {
        honest(&server).await;
    }
    assert!(server.is_alive() && server.health());
    let after = server.memory("VmRSS");
    println!(
        "{asked} rounds, slowest answer {slowest:?}; resident {calm:?}, at most {peak:?}, then {after:?} bytes"
    );
    assert!(slowest < SILENCE, "{slowest:?}");
    if let (Some(calm), Some(peak), Some(after)) = (calm, peak, after) {
        assert!(
            peak - calm < 4 * BUDGET_BYTES,
            "{} MB beyond {} MB",
            (peak - calm) >> 20,
            calm >> 20
        );
        assert!(
            after - calm < BUDGET_BYTES / 4,
            "{} MB stay",
            (after - calm) >> 20
        );
    }
}
