//! All attacks at once against one process in a control group of 1 GB: it lives, operators and honest callers are answered, and the
//! memory returns.

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
    group::Group,
    pulse::Pulse,
    wire::{
        self, END_HEADERS, END_STREAM, answer_pings, connect, connect_small, frame, get, gzip,
        head, kind, post, preface,
    },
};
use crate::toy::{SIDE, gray_png};

/// The attacks go on for so long.
const ATTACKED: Duration = Duration::from_secs(15);

/// An attacker holds its connection for so long.
const HELD: Duration = Duration::from_secs(4);

/// What the process and its buffers in the kernel may take.
const GROUP_BYTES: u64 = 1 << 30;

/// What all requests together may hold by default there.
const BUDGET_BYTES: u64 = GROUP_BYTES / 4;

/// An answer to an operator that takes longer counts as none, on a machine without other work: how long a thread has to wait here
/// for a core comes on top.
const SILENCE: Duration = Duration::from_millis(500);

/// Honest callers share threads and cores with the attackers.
const PATIENCE: Duration = Duration::from_secs(5);

/// So much more resident memory than before may stay.
const STAYS: f64 = 0.2;

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

/// Says what it is, by a picture; how long that took.
async fn honest(server: &Limited) -> Duration {
    let url = format!("http://{}/predict", server.data);
    let begun = Instant::now();
    let answer = server.client.post(url).body(gray_png(SIDE, 250)).send();
    let answer = answer.await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("a body");
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("\"label\":\"bright\""), "{text}");
    begun.elapsed()
}

/// Fifty predictions, and what attackers ask for, read to its end: what that brings into memory stays there anyway.
async fn usual(server: &Limited) {
    for _ in 0..50 {
        honest(server).await;
    }
    let url = format!("http://{}/docs/swagger-ui-bundle.js", server.data);
    let answer = server.client.get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.bytes().await.expect("a body");
}

#[tokio::test(flavor = "multi_thread")]
async fn c_all_attacks_at_once_end_nothing_and_leave_nothing_behind() {
    let group = Group::limited_to(GROUP_BYTES);
    let budget = format!("requests.max_bytes_in_flight={BUDGET_BYTES}");
    let settings = [
        // In the group, the server finds this by itself.
        if group.is_some() {
            "requests.max_bytes_in_flight=0"
        } else {
            &*budget
        },
        "connections.write_timeout_seconds=3",
        "requests.body_timeout_seconds=3",
    ];
    let entered = group.as_ref().map_or("true".to_owned(), Group::entered);
    let mut server = Limited::start(&entered, &settings);
    for _ in 0..3 {
        usual(&server).await;
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
    let (begun, pulse) = (Instant::now(), Pulse::start());
    let (mut slowest, mut waited, mut asked) = ([Duration::ZERO; 2], Duration::ZERO, 0);
    while begun.elapsed() < ATTACKED {
        for path in ["/readyz", "/metrics", "/admin/models"] {
            pulse.longest();
            let (status, took) = server.admin("GET", path, "").await;
            assert_eq!(status, 200, "{path}");
            // Client and server each wait for a core, some times.
            let machine = pulse.longest();
            waited = waited.max(machine);
            let own = took.saturating_sub(4 * machine);
            slowest[0] = slowest[0].max(took);
            assert!(
                own < SILENCE,
                "{path} took {took:?}, threads waited {machine:?}"
            );
        }
        slowest[1] = slowest[1].max(honest(&server).await);
        asked += 1;
        let held = server.metric("stillhouse_request_bytes_in_flight").await;
        assert!(held <= 1.1 * BUDGET_BYTES as f64, "{held} bytes");
    }
    over.store(true, Relaxed);
    while attackers.join_next().await.is_some() {}
    let peak = server.memory("VmHWM");
    while server.metric("stillhouse_request_bytes_in_flight").await > 0.0 {}
    usual(&server).await;
    assert!(server.is_alive() && server.health());
    let [operator, caller] = slowest;
    println!(
        "{asked} rounds, an operator waited {operator:?}, a caller {caller:?}, a thread {waited:?}"
    );
    assert!(caller < PATIENCE + 4 * waited, "{caller:?}");
    let (Some(calm), Some(peak)) = (calm, peak) else {
        return;
    };
    // Threads that did blocking work end when they have had none for a while.
    let most = (calm as f64 * (1.0 + STAYS)) as u64;
    let begun = Instant::now();
    let mut after = u64::MAX;
    while after > most && begun.elapsed() < wire::PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
        after = after.min(server.memory("VmRSS").unwrap_or(0));
    }
    println!("resident {calm}, at most {peak}, then {after} bytes");
    assert!(
        peak - calm < 2 * BUDGET_BYTES,
        "{} MB beyond {} MB",
        (peak - calm) >> 20,
        calm >> 20
    );
    assert!(
        after <= most,
        "{} of {} MB stay",
        after.saturating_sub(calm) >> 20,
        calm >> 20
    );
}
