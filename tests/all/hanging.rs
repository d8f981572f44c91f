//! Networks that run for ever or take all memory: they are refused or stopped, others answer, and SIGTERM ends the process.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::{Value, json};
use stillhouse::store::Golden;
use stillhouse_engine::{
    Backend, ElementType,
    onnx::{
        AttributeProto, GraphProto, NodeProto, TensorProto,
        build::{integers, model, node, port, tensor, weights},
    },
};

use crate::{
    engines::backends,
    process::{Process, serve},
    rollout::{always, favour, scripted},
    server::TestServer,
    toy::{SIDE, golden, graph, gray_png, write_version},
};

/// Seconds in which a load must be done, and that a drain takes at most.
const LIMIT_SECONDS: u64 = 4;

fn number(name: &str, value: i64) -> TensorProto {
    tensor(name, 7, &[], value.to_le_bytes().to_vec())
}

fn cast(from: &str, to: &str, data_type: i64) -> NodeProto {
    node("Cast", &[from], &[to]).with_int("to", data_type)
}

/// The toy's graph plus a zero that `nodes` make out of `input` or `count`, the number of rows.
fn with_zero(nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> Bytes {
    let mut graph = graph();
    graph.node[1].output[0] = "scores".into();
    graph.node.extend([
        node("Shape", &["input"], &["shape"]),
        node("Gather", &["shape", "first"], &["count"]).with_int("axis", 0),
    ]);
    graph.node.extend(nodes);
    graph
        .node
        .push(node("Add", &["scores", "zero"], &["output"]));
    graph.initializer.push(number("first", 0));
    graph.initializer.extend(initializer);
    model(17, graph).to_bytes()
}

/// A loop that goes on for ever where `is_trapped`, made by `nodes`, is true.
fn loops_where(mut nodes: Vec<NodeProto>, mut initializer: Vec<TensorProto>) -> Bytes {
    let scalar = |name: &str| {
        let mut scalar = port(name, ElementType::F32, "1");
        let shape = scalar
            .r#type
            .as_mut()
            .and_then(|kind| kind.tensor_type.as_mut());
        if let Some(shape) = shape.and_then(|tensor| tensor.shape.as_mut()) {
            shape.dim.clear();
        }
        scalar
    };
    let typed = |name: &str, element: i32| {
        let mut port = scalar(name);
        if let Some(tensor) = port
            .r#type
            .as_mut()
            .and_then(|kind| kind.tensor_type.as_mut())
        {
            tensor.elem_type = element;
        }
        port
    };
    let body = GraphProto {
        name: "body".into(),
        node: vec![
            node("Identity", &["go_on"], &["goes_on"]),
            node("Mul", &["value", "value"], &["product"]),
        ],
        input: vec![typed("turn", 7), typed("go_on", 9), scalar("value")],
        output: vec![typed("goes_on", 9), scalar("product")],
        ..GraphProto::default()
    };
    let mut looping = node("Loop", &["turns", "yes", "nothing"], &["zero"]);
    looping.attribute.push(AttributeProto {
        name: "body".into(),
        g: Some(body),
        r#type: 5,
        ..AttributeProto::default()
    });
    nodes.extend([
        cast("is_trapped", "flag", 7),
        node("Mul", &["flag", "for_ever"], &["turns"]),
        looping,
    ]);
    initializer.extend([
        number("for_ever", i64::MAX),
        tensor("yes", 9, &[], vec![1]),
        weights("nothing", &[], &[0.0]),
    ]);
    with_zero(nodes, initializer)
}

/// Runs for ever with four rows or more.
fn hangs_from_four_rows() -> Bytes {
    let many = node("GreaterOrEqual", &["count", "four"], &["is_trapped"]);
    loops_where(vec![many], vec![number("four", 4)])
}

/// Runs for ever over a picture with a white pixel.
fn hangs_over_white() -> Bytes {
    let nodes = vec![
        node("ReduceMax", &["input"], &["brightest"]).with_int("keepdims", 0),
        node("Greater", &["brightest", "limit"], &["is_trapped"]),
    ];
    loops_where(nodes, vec![weights("limit", &[], &[0.9])])
}

/// Takes four gigabytes with four rows or more.
fn swells_from_four_rows() -> Bytes {
    swells_where("GreaterOrEqual", 4)
}

/// Takes four gigabytes where the number of rows compares like this.
fn swells_where(comparison: &str, rows: i64) -> Bytes {
    let nodes = vec![
        node(comparison, &["count", "rows"], &["is_trapped"]),
        cast("is_trapped", "flag", 7),
        node("Mul", &["flag", "plenty"], &["more"]),
        node("Add", &["more", "one"], &["numbers"]),
        node("Reshape", &["numbers", "vector"], &["length"]),
        node("ConstantOfShape", &["length"], &["zeros"]),
        node("Exp", &["zeros"], &["ones"]),
        node("Log", &["ones"], &["zeros_again"]),
        node("ReduceMax", &["zeros_again"], &["zero"]).with_int("keepdims", 0),
    ];
    let initializer = vec![
        number("rows", rows),
        number("plenty", 1 << 30),
        number("one", 1),
        integers("vector", &[1]),
    ];
    with_zero(nodes, initializer)
}

/// The golden samples without a white pixel.
fn dark() -> Vec<Golden> {
    golden().into_iter().take(2).collect()
}

struct Server {
    process: Process,
    client: reqwest::Client,
}

impl Server {
    /// Serves `toy/v1`, with the limits of these tests.
    fn start(backend: Backend, more: &[&str]) -> Self {
        let loading = format!("loading.timeout_seconds={LIMIT_SECONDS}");
        let drain = format!("server.drain_timeout_seconds={LIMIT_SECONDS}");
        let usual = ["models.toy.stable=v1", &loading, &drain];
        let usual = usual.iter().flat_map(|setting| ["--set", setting]);
        let flags: Vec<&str> = usual.chain(more.iter().copied()).collect();
        Self {
            process: Process::start(backend, &flags),
            client: reqwest::Client::new(),
        }
    }

    async fn order(&self, path: &str, body: Value) -> (u16, Value) {
        let path = format!("/admin/models/toy/{path}?force=true");
        let url = self.process.address("metrics").replace("/metrics", &path);
        let answer = self.client.post(url).json(&body).send().await;
        let answer = answer.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    async fn predict(&self, luma: u8) -> Value {
        let url = self.process.address("predictions").to_owned();
        let answer = self.client.post(url).body(gray_png(SIDE, luma)).send();
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("JSON")
    }

    async fn metric(&self, series: &str) -> f64 {
        let answer = self.client.get(self.process.address("metrics")).send();
        let text = answer.await.expect("an answer").text().await.expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// Sends SIGTERM and asserts that the process ends in time.
    fn assert_ends(mut self) {
        let begun = Instant::now();
        self.process.signal("TERM");
        assert_eq!(self.process.ended(), Some(0));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(LIMIT_SECONDS + 2), "{took:?}");
    }

    /// A line of the kernel's account of the process, in kilobytes.
    fn kilobytes(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|line| line.split_whitespace().next());
        value.expect("a line").parse().expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_a_network_that_hangs_from_four_rows_is_refused_in_time() {
    for backend in backends() {
        for child in [true, false] {
            let child = format!("loading.child_process={child}");
            let server = Server::start(backend, &["--set", &child]);
            let models = server.process.repository();
            write_version(models, "v2", hangs_from_four_rows(), golden());
            let begun = Instant::now();
            let (status, problem) = server.order("versions/v2/load", json!({})).await;
            let took = begun.elapsed();
            assert_eq!(status, 422, "{backend}, {child}: {problem}");
            if backend == Backend::Ort {
                assert_eq!(problem["code"], "version_timed_out", "{child}: {problem}");
            }
            assert!(took < Duration::from_secs(LIMIT_SECONDS + 2), "{took:?}");
            assert_eq!(server.predict(0).await["version"], "v1");
            server.assert_ends();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_sigterm_ends_the_process_in_the_middle_of_a_load_that_hangs() {
    if !backends().contains(&Backend::Ort) {
        return;
    }
    for child in ["true", "false"] {
        let child = format!("loading.child_process={child}");
        let more = ["--set", &child, "--set", "loading.timeout_seconds=3600"];
        let server = Server::start(Backend::Ort, &more);
        let models = server.process.repository();
        write_version(models, "v2", hangs_from_four_rows(), golden());
        let path = "/admin/models/toy/versions/v2/load?force=true";
        let url = server.process.address("metrics").replace("/metrics", path);
        let load = tokio::spawn(server.client.post(url).body("{}").send());
        let in_flight = "stillhouse_requests_in_flight";
        while server.metric(in_flight).await < 2.0 {}
        server.assert_ends();
        let _ = load.await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_a_network_that_swells_from_four_rows_harms_nobody() {
    // tract runs this network one row at a time.
    if backends().contains(&Backend::Ort) {
        refused_for_its_memory(swells_from_four_rows(), "batch.max_batch=0").await;
    }
}

/// Five rows are neither measured nor warmed up with, but a batch may have them.
#[tokio::test(flavor = "multi_thread")]
async fn b6_a_network_that_swells_at_five_rows_alone_harms_nobody() {
    if backends().contains(&Backend::Ort) {
        refused_for_its_memory(swells_where("Equal", 5), "batch.max_batch=8").await;
    }
}

/// `serve FILE` describes and tries the file in a child first.
#[test]
fn b6_a_file_that_swells_or_hangs_is_refused() {
    if !backends().contains(&Backend::Ort) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("net.onnx");
    let memory = format!("loading.memory_bytes={}", 512 << 20);
    for (network, limit, words) in [
        (swells_from_four_rows(), &*memory, "loading.memory_bytes"),
        (swells_where("Equal", 1), &*memory, "loading.memory_bytes"),
        (
            hangs_from_four_rows(),
            "loading.timeout_seconds=3",
            "stopped after 3 s",
        ),
    ] {
        fs::write(&file, network).expect("written");
        let begun = Instant::now();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_stillhouse"))
            .arg("serve")
            .arg(&file)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args([
                "--engine",
                "onnxruntime",
                "--set",
                "batch.max_batch=4",
                "--set",
                limit,
            ])
            .current_dir(folder.path())
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(words), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{words}");
    }
}

async fn refused_for_its_memory(network: Bytes, batch: &str) {
    let memory = format!("loading.memory_bytes={}", 512 << 20);
    let timeout = "loading.timeout_seconds=120";
    let more = ["--set", &memory, "--set", timeout, "--set", batch];
    let server = Server::start(Backend::Ort, &more);
    let models = server.process.repository();
    write_version(models, "v2", network, golden());
    let before = server.kilobytes("VmHWM:");
    let (status, problem) = server.order("versions/v2/load", json!({})).await;
    assert_eq!(status, 422, "{problem}");
    assert_eq!(problem["code"], "version_failed_validation", "{problem}");
    let after = server.kilobytes("VmHWM:");
    assert!(after < before + (256 << 10), "{before} kB, then {after} kB");
    assert_eq!(server.predict(0).await["version"], "v1");
    server.assert_ends();
}

#[test]
fn b6_a_server_does_not_wait_for_a_stable_version_that_hangs() {
    if !backends().contains(&Backend::Ort) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_version(folder.path(), "v1", hangs_from_four_rows(), golden());
    for child in ["true", "false"] {
        let begun = Instant::now();
        let output = serve(Backend::Ort, folder.path(), folder.path())
            .args(["--set", "loading.timeout_seconds=2"])
            .args(["--set", &format!("loading.child_process={child}")])
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("loading was stopped after 2 s"), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{child}");
    }
}

#[test]
fn b6_sigterm_ends_a_start_that_hangs_at_once() {
    if !backends().contains(&Backend::Ort) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    write_version(folder.path(), "v1", hangs_from_four_rows(), golden());
    for child in ["true", "false"] {
        let mut process = serve(Backend::Ort, folder.path(), folder.path())
            .args(["--set", "loading.timeout_seconds=3600"])
            .args(["--set", &format!("loading.child_process={child}")])
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("starts");
        let tasks = format!("/proc/{}/task", process.id());
        // From then on signals are listened to.
        let listens = || {
            let mut threads = fs::read_dir(&tasks).expect("a process").flatten();
            threads.any(|thread| {
                let name = fs::read_to_string(thread.path().join("comm"));
                name.is_ok_and(|name| name.trim() == "load/v1" || name.trim() == "watchdog")
            })
        };
        while !listens() {}
        let begun = Instant::now();
        let kill = std::process::Command::new("kill")
            .arg(process.id().to_string())
            .status();
        assert!(kill.expect("kill").success());
        assert_eq!(process.wait().expect("an end").code(), Some(0), "{child}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{child}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_canary_that_hangs_over_a_picture_is_stopped_and_stable_answers() {
    if !backends().contains(&Backend::Ort) {
        return;
    }
    // It loads, however busy the machine is; what hangs here is its answer to a picture.
    let more = [
        "--set",
        "routing.fallback_after_ms=200",
        "--set",
        "loading.timeout_seconds=60",
    ];
    let server = Server::start(Backend::Ort, &more);
    let models = server.process.repository();
    write_version(models, "v2", hangs_over_white(), dark());
    let canary = json!({"version": "v2", "share": "100%"});
    let (status, reply) = server.order("canary", canary).await;
    assert_eq!(status, 200, "{reply}");
    assert_eq!(server.predict(0).await["version"], "v2");
    let answer = server.predict(255).await;
    assert_eq!(answer["version"], "v1", "{answer}");
    let stopped = "stillhouse_runs_stopped_total{model=\"toy\",work=\"worker\"}";
    while server.metric(stopped).await < 1.0 {}
    // Its worker is there again.
    while server.predict(0).await["version"] != "v2" {}
    let stuck = "stillhouse_stuck_threads{model=\"toy\",work=\"worker\"}";
    assert_eq!(server.metric(stuck).await, 0.0);
    // In the middle of a run that hangs.
    assert_eq!(server.predict(255).await["version"], "v1");
    server.assert_ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_canary_that_cannot_be_stopped_is_given_up_and_listed() {
    let released = Arc::new(AtomicBool::new(false));
    let release = released.clone();
    let white = |input: &[f32]| input.contains(&1.0);
    let canary = scripted(move |input, rows| {
        while white(input) && !released.load(SeqCst) {
            std::hint::spin_loop();
        }
        Ok(favour(1, rows))
    });
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", canary)], |config| {
        config.routing.fallback_after_ms = 100;
    })
    .await;
    let start = json!({"version": "v2", "share": "100%"});
    server.order("POST", "canary", start).await;
    let answer = server.predict(gray_png(SIDE, 255)).await.json();
    assert_eq!(answer["version"], "v1", "{answer}");
    let listed = |view: &Value| view["stuck_threads"][0]["version"] == "v2";
    let view = server.admin_view("", listed).await;
    assert_eq!(view["stuck_threads"][0]["work"], "worker", "{view:#}");
    let stuck = "stillhouse_stuck_threads{model=\"toy\",work=\"worker\"}";
    assert_eq!(server.metric(stuck).await, 1.0);
    // Without a worker it refuses at once, and stable answers; also when it is gone it is listed.
    let begun = Instant::now();
    let answer = server.predict(gray_png(SIDE, 0)).await.json();
    assert_eq!(answer["version"], "v1", "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    let refused = "stillhouse_fallbacks_total{model=\"toy\",reason=\"refused\",role=\"canary\",version=\"v2\"}";
    assert!(server.metric(refused).await >= 1.0);
    server.order("POST", "abort", json!({})).await;
    assert!(listed(&server.deployment().await));
    release.store(true, SeqCst);
    let nothing = |view: &Value| view["stuck_threads"] == json!([]);
    server.admin_view("", nothing).await;
}
