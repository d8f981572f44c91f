//! All attacks at once against one process: it lives, operators and honest callers are answered, and the memory returns.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

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

/// An attacker holds its connection for so long.
const HELD: Duration = Duration::from_secs(4);

/// All requests together may hold so much; the system's buffers and the parsers' come on top.
const BUDGET_BYTES: u64 = 128 << 20;

/// An answer that takes longer counts as none. Far above the half second that a quiet machine keeps: this one may be busy.
const SILENCE: Duration = Duration::from_secs(5);

/// What is sent, made once: compressing takes longer than attacking.
struct Payloads {
    sent: [Vec<u8>; 4],
    windows: [Vec<u8>; 2],
}

impl Payloads {
    fn new() -> Self {
        let encoded = |text: &[u8]| post("/predict", "Content-Encoding: gzip\r\n", &gzip(text));
        let key = format!("{{\"{}\":1}}", "x".repeat(8_000_000));
        let lists = format!("{{\"instances\":[{}", "[],".repeat(5_000_000));
        let half = [head("/predict", "", 15_000_000), vec![b'x'; 8_000_000]].concat();
        let closed = |window| {
            let ask = |stream: u32| {
                let flags = END_STREAM | END_HEADERS;
                let block = get("/docs/swagger-ui-bundle.js");
                frame(kind::HEADERS, flags, 2 * stream + 1, &block)
            };
            let asked: Vec<u8> = (0..100).flat_map(ask).collect();
            [preface(window), asked].concat()
        };
        Self {
            sent: [
                encoded(key.as_bytes()),
                encoded(lists.as_bytes()),
                encoded(&vec![b' '; 16_000_000]),
                half,
            ],
            windows: [closed(0), closed(1)],
        }
    }

    /// Attacks once, with a new connection.
    async fn attack(&self, number: usize, data: SocketAddr) {
        match number % 7 {
            sent @ 0..4 => send_and_wait(data, &self.sent[sent]).await,
            window @ 4..6 => {
                let mut stream = connect(data).await;
                let _ = stream.write_all(&self.windows[window - 4]).await;
                let _ = tokio::time::timeout(HELD, answer_pings(stream)).await;
            }
            _ => {
                let mut stream = connect_small(data).await;
                let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
                let _ = stream.write_all(request).await;
                tokio::time::sleep(HELD).await;
            }
        }
    }
}

async fn send_and_wait(data: SocketAddr, request: &[u8]) {
    let mut stream = connect(data).await;
    let _ = tokio::time::timeout(HELD, async {
        let _ = stream.write_all(request).await;
        let _ = stream.read(&mut [0; 4096]).await;
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
    let payloads = Arc::new(Payloads::new());
    let mut attackers = JoinSet::new();
    for number in 0..70 {
        let (data, over, payloads) = (server.data, over.clone(), payloads.clone());
        attackers.spawn(async move {
            while !over.load(Relaxed) {
                payloads.attack(number, data).await;
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
