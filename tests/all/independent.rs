//! Independent scores through the whole server: answers, description, metrics, comparison with the teacher, refusals.

use std::path::Path;

use bytes::Bytes;
use stillhouse::{
    config::Config,
    store::manifest::{Element, Input, Manifest, Output, OutputKind, Reference},
};
use stillhouse_engine::{
    Backend, ElementType,
    onnx::build::{integers, model, node, port, weights},
    scripted::Scripted,
};

use crate::{
    engines::backends,
    rollout::scripted,
    server::TestServer,
    toy::{LABELS, SIDE, golden, graph, gray_png, toy_manifest, write_manifest},
};

/// The same scores for every picture.
fn always(scores: [f32; 3]) -> Scripted {
    scripted(move |_, rows| Ok(scores.repeat(rows)))
}

fn manifest(kind: OutputKind, thresholds: &[f32]) -> Manifest {
    let output = Output {
        thresholds: thresholds.to_vec(),
        ..Output::new("output", kind, LABELS.len())
    };
    Manifest {
        output,
        ..toy_manifest()
    }
}

fn write(root: &Path, version: &'static str, kind: OutputKind, thresholds: &[f32]) {
    let bytes = Bytes::from_static(version.as_bytes());
    write_manifest(
        &root.join("models"),
        version,
        manifest(kind, thresholds),
        bytes,
        vec![],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_labels_at_their_thresholds_are_answered_without_a_softmax() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "v1",
        OutputKind::Independent,
        &[0.75, 0.5, 0.25],
    );
    let versions = vec![("v1", always([0.75, 0.375, 0.5]))];
    let server = TestServer::fleet_in(folder.path(), versions, |_| ()).await;
    let answer = server.predict(gray_png(SIDE, 9)).await.json();
    assert_eq!(
        answer["labels"],
        serde_json::json!(["dark", "bright"]),
        "{answer}"
    );
    let predictions = answer["predictions"].as_array().expect("a list");
    let found: Vec<(f64, f64)> = predictions
        .iter()
        .map(|one| {
            let number = |key: &str| one[key].as_f64().expect("a number");
            (number("probability"), number("threshold"))
        })
        .collect();
    assert_eq!(found, [(0.75, 0.75), (0.5, 0.25), (0.375, 0.5)]);
    // `top_k` limits the classes, not the labels; a list of pictures is answered alike.
    let one = server
        .post("/predict?top_k=1", gray_png(SIDE, 9), &[])
        .await
        .json();
    assert_eq!(one["predictions"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["labels"], serde_json::json!(["dark", "bright"]));
    let zeros = vec![0.0; (SIDE * SIDE) as usize];
    let body = serde_json::json!({"instances": [zeros, zeros]}).to_string();
    let many = server.predict(body).await.json();
    assert_eq!(
        many["results"][1]["labels"],
        serde_json::json!(["dark", "bright"]),
        "{many}"
    );

    let model = server.get("/models/toy").await.json();
    let output = serde_json::json!({"kind": "independent", "thresholds": [0.75, 0.5, 0.25]});
    assert_eq!(model["output"], output);
    let of = |class: &str| {
        format!(
            "stillhouse_labels_total{{class=\"{class}\",model=\"toy\",role=\"stable\",version=\"v1\"}}"
        )
    };
    for (class, count) in [("dark", 4.0), ("middle", 0.0), ("bright", 4.0)] {
        assert_eq!(server.metric(&of(class)).await, count, "{class}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_a_sigmoid_that_is_missing_is_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "v1", OutputKind::IndependentLogits, &[]);
    let versions = vec![("v1", always([0.0, -30.0, 30.0]))];
    let server = TestServer::fleet_in(folder.path(), versions, |_| ()).await;
    let answer = server.predict(gray_png(SIDE, 9)).await.json();
    assert_eq!(
        answer["labels"],
        serde_json::json!(["bright", "dark"]),
        "{answer}"
    );
    assert_eq!(answer["predictions"][1]["probability"], 0.5);
    assert_eq!(answer["predictions"][1]["threshold"], 0.5);
}

/// A teacher behind sigmoids, a student before them: the sum of Bernoulli divergences, and agreement by labels.
#[tokio::test(flavor = "multi_thread")]
async fn b1_pairs_are_measured_by_their_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let reference = Reference {
        samples: 1000,
        class_ratios: vec![0.25, 0.5, 0.25],
        label_ratios: vec![0.25, 0.75, 0.125],
        ..Reference::default()
    };
    let own = Manifest {
        reference: Some(reference),
        ..manifest(OutputKind::Independent, &[])
    };
    let models = folder.path().join("models");
    write_manifest(&models, "v1", own, Bytes::from_static(b"v1"), vec![]);
    write(folder.path(), "v2", OutputKind::IndependentLogits, &[]);
    write(folder.path(), "t", OutputKind::Independent, &[]);
    let versions = vec![
        ("v1", always([0.75, 0.75, 0.25])),
        ("v2", always([1.0, -1.0, -1.0])),
        ("t", always([0.5, 0.75, 0.25])),
    ];
    let server = TestServer::fleet_in(folder.path(), versions, |config| {
        config.shadow.rate = 1.0;
        config.shadow.gives_way = false;
        config.shadow.budget_per_second = 1e6;
        config.shadow.cooldown_seconds = 0;
        config.models.entry("toy".into()).or_default().teacher = "t".into();
    })
    .await;
    let canary = serde_json::json!({"version": "v2", "share": 0});
    let started = server.order("POST", "canary", canary).await;
    assert_eq!(started.status, 200, "{}", started.text);
    for luma in 0..20 {
        server.predict(gray_png(SIDE, luma)).await;
    }
    let of = |name: &str, version: &str, role: &str| {
        format!("stillhouse_{name}{{model=\"toy\",role=\"{role}\",version=\"{version}\"}}")
    };
    let pairs = of("divergence_nats_count", "v1", "stable");
    server.until(&pairs, 20.0).await;
    let sum = server
        .metric(&of("divergence_nats_sum", "v1", "stable"))
        .await;
    let agreements = server.metric(&of("agreements_total", "v1", "stable")).await;
    // Two of three classes are the same: 0.5 ln(0.5/0.75) + 0.5 ln(0.5/0.25).
    let right = 20.0 * (0.5 * (0.5_f64 / 0.75).ln() + 0.5 * (0.5_f64 / 0.25).ln());
    assert!((sum - right).abs() < 1e-6, "{sum} is not {right}");
    // 0.5 reaches its threshold, too.
    assert_eq!(agreements, 20.0);
    let canary = server.metric(&of("agreements_total", "v2", "canary")).await;
    assert_eq!(canary, 0.0, "the second label is missing in all of them");
    let drift = server.admin_view("/drift", |view| {
        view["roles"][0]["divergence"]["observations"] == 20
    });
    let drift = drift.await;
    let stable = &drift["roles"][0];
    assert_eq!(
        stable["agreement"]["value"].as_f64(),
        Some(1.0),
        "{drift:#}"
    );
    // The first label applied always, not in a quarter; it moved most.
    let label = &stable["labels"][0];
    assert_eq!(label["name"], "label dark", "{drift:#}");
    assert_eq!(label["observations"], 20);
    let cells = label["moved"].as_array().expect("a list");
    let applies = cells.iter().find(|cell| cell["name"] == "applies");
    assert_eq!(applies.expect("a cell")["share"].as_f64(), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_exclusive_and_independent_versions_are_not_mixed() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "v1", OutputKind::Independent, &[]);
    write(folder.path(), "v2", OutputKind::Logits, &[]);
    let versions = vec![
        ("v1", always([0.5, 0.5, 0.9])),
        ("v2", always([1.0, 2.0, 3.0])),
    ];
    let server = TestServer::fleet_in(folder.path(), versions, |_| ()).await;
    for (method, path, body) in [
        (
            "POST",
            "canary",
            serde_json::json!({"version": "v2", "share": 100}),
        ),
        ("PUT", "teacher", serde_json::json!({"version": "v2"})),
        ("POST", "rollback", serde_json::json!({"to": "v2"})),
    ] {
        let refused = server.order(method, path, body).await;
        assert_eq!(refused.status, 409, "{path}: {}", refused.text);
        let problem = refused.json();
        assert_eq!(problem["code"], "output_kinds_differ");
        let detail = problem["detail"].as_str().expect("words");
        assert!(
            detail.contains("logits") && detail.contains("independent"),
            "{detail}"
        );
    }
}

/// A network that reads bytes takes pictures as they are, and of numbers only bytes.
#[tokio::test(flavor = "multi_thread")]
async fn b3_a_network_that_reads_bytes() {
    for backend in backends() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut graph = graph();
        graph.input = vec![port("bytes", ElementType::U8, "N,1,4,4")];
        graph
            .node
            .insert(0, node("Cast", &["bytes"], &["wide"]).with_int("to", 1));
        graph
            .node
            .insert(1, node("Div", &["wide", "full"], &["input"]));
        graph.initializer.push(weights("full", &[], &[255.0]));
        let mut manifest = toy_manifest();
        manifest.input = Input::new("bytes", Element::U8);
        manifest.transform.scale = 1.0;
        let bytes = model(17, graph).to_bytes();
        write_manifest(folder.path(), "v1", manifest, bytes, golden());
        let mut config = Config::default();
        config.repository.path = folder.path().to_owned();
        config.engine.backend = backend.to_string();
        let server = TestServer::of(config).await;
        for (luma, label) in [0, 128, 255].into_iter().zip(LABELS) {
            let answer = server.predict(gray_png(SIDE, luma)).await.json();
            assert_eq!(answer["predictions"][0]["label"], label, "{answer}");
            let numbers = vec![luma; (SIDE * SIDE) as usize];
            let body = serde_json::json!({"instances": [numbers]}).to_string();
            let answer = server.predict(body).await.json();
            assert_eq!(
                answer["results"][0]["predictions"][0]["label"], label,
                "{answer}"
            );
        }
        for wrong in [0.5, -1.0, 256.0] {
            let mut numbers = vec![0.0; (SIDE * SIDE) as usize];
            numbers[3] = wrong;
            let body = serde_json::json!({"instances": [numbers]}).to_string();
            let reply = server.predict(body).await;
            assert_eq!(reply.status, 400, "{}", reply.text);
            let error = &reply.json()["results"][0]["error"];
            assert_eq!(error["code"], "number_not_a_byte", "{}", reply.text);
        }
        let element = &server.get("/models/toy").await.json()["input"]["element"];
        assert_eq!(element, "u8");
    }
}

/// A Reshape that an exporter traced at batch 1: right answers, one row at a time, and said so.
#[tokio::test(flavor = "multi_thread")]
async fn b2_a_folded_batch_is_served_one_row_at_a_time() {
    for backend in backends() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut graph = graph();
        graph.node[0] = node("Reshape", &["input", "shape"], &["flat"]);
        graph.initializer.push(integers("shape", &[1, 16]));
        let bytes = model(17, graph).to_bytes();
        write_manifest(folder.path(), "v1", toy_manifest(), bytes, golden());
        let mut config = Config::default();
        config.repository.path = folder.path().to_owned();
        config.engine.backend = backend.to_string();
        let server = TestServer::of(config).await;
        let asks = (0..60).map(|index| {
            let server = &server;
            async move {
                let reply = server
                    .predict(gray_png(SIDE, [0, 128, 255][index % 3]))
                    .await;
                assert_eq!(
                    reply.json()["predictions"][0]["label"],
                    LABELS[index % 3],
                    "{}",
                    reply.text
                );
            }
        });
        futures_util::future::join_all(asks).await;
        let role = &server.get("/models/toy").await.json()["roles"][0];
        assert_eq!(role["max_batch"], 1, "{role}");
        let engine = role["engine"].as_str().expect("words");
        assert!(engine.contains(", one row at a time"), "{engine}");
        if backend == Backend::Ort {
            assert!(
                engine.contains("(a Reshape to [1, 16] has the batch 1 in it; "),
                "{engine}"
            );
        }
    }
}
