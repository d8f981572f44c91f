//! One request, and many at once.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use stillhouse_engine::{EngineError, scripted::Script};

use crate::{
    server::TestServer,
    toy::{LABELS, SIDE, brightness, gray_png},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_becomes_a_prediction() {
    let server = TestServer::start(|_| ()).await;
    let reply = server
        .post(
            "/predict?top_k=2",
            gray_png(SIDE, 255),
            &[("x-request-id", "one-7")],
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let body = reply.json();
    assert_eq!(body["request_id"], "one-7");
    assert_eq!(reply.header("x-request-id"), "one-7");
    for (key, value) in [("model", "toy"), ("version", "v1"), ("role", "stable")] {
        assert_eq!(body[key], value);
    }
    assert_eq!(body["generation"], 1);
    let predictions = body["predictions"].as_array().expect("a list");
    assert_eq!(predictions.len(), 2);
    assert_eq!(predictions[0]["label"], "bright");
    assert_eq!(predictions[0]["class"], 2);
    let first = predictions[0]["probability"].as_f64().expect("a number");
    let second = predictions[1]["probability"].as_f64().expect("a number");
    // softmax of (0, -10) over the two nearest classes; the third is e^-40
    assert!((first - 1.0 / (1.0 + (-10f64).exp())).abs() < 1e-6);
    assert!((second - (-10f64).exp() / (1.0 + (-10f64).exp())).abs() < 1e-6);
    let timings = &body["timings"];
    assert_eq!(timings["batch_size"], 1);
    for key in ["decode_seconds", "queue_seconds", "inference_seconds"] {
        assert!(
            timings[key]
                .as_f64()
                .is_some_and(|seconds| (0.0..10.0).contains(&seconds))
        );
    }
    let header = reply.header("server-timing");
    for name in ["decode;dur=", "queue;dur=", "inference;dur="] {
        assert!(header.contains(name), "{header}");
    }
    let series =
        "stillhouse_requests_total{model=\"toy\",outcome=\"ok\",role=\"stable\",version=\"v1\"}";
    assert_eq!(server.metric(series).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_body_gives_the_same_prediction() {
    let server = TestServer::start(|_| ()).await;
    let picture = gray_png(SIDE, 128);
    let part = || reqwest::multipart::Part::bytes(picture.clone()).file_name("a.png");
    let multipart = server
        .client
        .post(server.url("/models/toy/predict"))
        .multipart(reqwest::multipart::Form::new().part("image", part()))
        .send()
        .await
        .expect("an answer");
    let multipart: serde_json::Value = multipart.json().await.expect("JSON");
    let numbers = vec![vec![128.0 / 255.0; SIDE as usize]; SIDE as usize];
    let instances = json!({"instances": [{"b64": STANDARD.encode(&picture)}, numbers, numbers.concat(), [numbers]]});
    let many = server.predict(instances.to_string()).await.json();
    let raw = server
        .post(
            "/predict",
            picture.clone(),
            &[("content-type", "text/html")],
        )
        .await
        .json();
    let expected = &raw["predictions"];
    assert_eq!(expected[0]["label"], "middle");
    assert_eq!(&multipart["predictions"], expected);
    let results = many["results"].as_array().expect("a list");
    assert_eq!(results.len(), 4);
    for result in results {
        assert_eq!(&result["predictions"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pictures_are_answered_in_order_each_with_a_result_or_its_own_error() {
    let server = TestServer::start(|_| ()).await;
    let mut form = reqwest::multipart::Form::new();
    for luma in [0, 255, 128] {
        form = form.part(
            "image",
            reqwest::multipart::Part::bytes(gray_png(SIDE, luma)),
        );
    }
    form = form.part(
        "image",
        reqwest::multipart::Part::bytes(b"no picture".to_vec()).file_name("c.png"),
    );
    let answer = server
        .client
        .post(server.url("/predict"))
        .multipart(form)
        .send()
        .await;
    let body: serde_json::Value = answer.expect("an answer").json().await.expect("JSON");
    let label = |index: usize| body["results"][index]["predictions"][0]["label"].clone();
    assert_eq!(
        [label(0), label(1), label(2)],
        [LABELS[0], LABELS[2], LABELS[1]]
    );
    assert_eq!(
        body["results"][3]["error"]["code"],
        "image_format_unsupported"
    );
    assert_eq!(
        body["results"][3]["error"]["request_id"],
        body["request_id"]
    );

    let none = json!({"instances": [{"b64": "!"}, {"b64": "AAAA"}]}).to_string();
    let none = server.predict(none).await;
    assert_eq!(none.status, 400, "nothing could be answered: {}", none.text);
    assert_eq!(none.json()["results"][0]["error"]["code"], "base64_invalid");
    assert_eq!(
        none.json()["results"][1]["error"]["code"],
        "image_format_unsupported"
    );
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_pictures_get_their_own_answers_in_shared_batches() {
    let server = TestServer::start(|config| config.batch.queue = 1000).await;
    let pictures = [(0u8, "dark"), (128, "middle"), (255, "bright")];
    let asks = (0..1000).map(|index| {
        let (luma, label) = pictures[index % 3];
        let server = &server;
        async move {
            let body = server.predict(gray_png(SIDE, luma)).await;
            assert_eq!(body.status, 200, "{}", body.text);
            assert_eq!(body.json()["predictions"][0]["label"], label);
            body.json()["timings"]["batch_size"]
                .as_u64()
                .expect("a number")
        }
    });
    let sizes = futures_util::future::join_all(asks).await;
    assert!(sizes.iter().all(|&size| (1..=4).contains(&size)));
    assert!(
        sizes.iter().any(|&size| size > 1),
        "batches form behind a busy worker"
    );
}

/// The other side of a script that lets its warm-up pass and then, once shut, holds each run until it is let through.
struct Gate {
    shut: Arc<AtomicBool>,
    entries: mpsc::Receiver<usize>,
    open: mpsc::Sender<()>,
}

fn gate() -> (Box<Script>, Gate) {
    let shut = Arc::new(AtomicBool::new(false));
    let (entered, entries) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let (held, opened) = (shut.clone(), Mutex::new(opened));
    let script = move |input: &[f32], rows: usize| {
        if held.load(Ordering::SeqCst) {
            let _ = entered.send(rows);
            let _ = opened.lock().expect("one worker").recv();
        }
        brightness(input, rows)
    };
    let gate = Gate {
        shut,
        entries,
        open,
    };
    (Box::new(script), gate)
}

impl Gate {
    fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    /// Waits, off the async threads, until a run of one row has reached the gate.
    async fn entered(self) -> Self {
        let waiting = tokio::task::spawn_blocking(move || {
            assert_eq!(self.entries.recv(), Ok(1));
            self
        });
        waiting.await.expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_refused_at_once_with_retry_after() {
    let (script, gate) = gate();
    let server = TestServer::scripted(script, |config| {
        config.batch.max_batch = 1;
        config.batch.queue = 2;
    })
    .await;
    gate.shut();
    let ask = || {
        let request = server
            .client
            .post(server.url("/predict"))
            .body(gray_png(SIDE, 0));
        tokio::spawn(request.send())
    };
    let first = ask();
    let gate = gate.entered().await;
    // The first is in the engine and there is room for two: the last of these three is refused, and it is the only one
    // that can end while the gate is shut.
    let three = (0..3).map(|_| Box::pin(server.predict(gray_png(SIDE, 0))));
    let (refused, _, waiting) = futures_util::future::select_all(three).await;
    refused.assert_problem(503, "queue_full");
    assert_eq!(refused.header("retry-after"), "1");
    let refusals = "stillhouse_refusals_total{reason=\"queue_full\"}";
    assert_eq!(server.metric(refusals).await, 1.0);
    drop(gate.open);
    assert_eq!(
        first.await.expect("no panic").expect("an answer").status(),
        200
    );
    for reply in futures_util::future::join_all(waiting).await {
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    server.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_has_passed_is_answered_in_time_and_never_run() {
    let (script, gate) = gate();
    let server = TestServer::scripted(script, |config| config.batch.max_batch = 1).await;
    gate.shut();
    let first = server
        .client
        .post(server.url("/predict"))
        .body(gray_png(SIDE, 0));
    let first = tokio::spawn(first.send());
    let gate = gate.entered().await;
    let late = server
        .post("/predict", gray_png(SIDE, 0), &[("x-timeout-ms", "20")])
        .await;
    late.assert_problem(504, "client_deadline_exceeded");
    drop(gate.open);
    assert_eq!(
        first.await.expect("no panic").expect("an answer").status(),
        200
    );
    server.assert_well().await;
    assert_eq!(
        gate.entries.try_iter().count(),
        1,
        "only the last picture was run after the first"
    );
    let series = "stillhouse_requests_total{model=\"toy\",outcome=\"client_expired\",role=\"stable\",version=\"v1\"}";
    assert_eq!(server.metric(series).await, 1.0);
    server
        .post("/predict", gray_png(SIDE, 0), &[("x-timeout-ms", "soon")])
        .await
        .assert_problem(400, "timeout_header_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_counted_and_costs_no_inference() {
    let (script, gate) = gate();
    let server = TestServer::scripted(script, |config| config.batch.max_batch = 1).await;
    gate.shut();
    let ask = || {
        let request = server
            .client
            .post(server.url("/predict"))
            .body(gray_png(SIDE, 0));
        tokio::spawn(request.send())
    };
    let first = ask();
    let gate = gate.entered().await;
    let gone = ask();
    let in_flight = "stillhouse_requests_in_flight";
    while server.metric(in_flight).await < 3.0 {} // the two and the question itself
    gone.abort();
    while server.metric("stillhouse_clients_gone_total").await < 1.0 {}
    drop(gate.open);
    assert_eq!(
        first.await.expect("no panic").expect("an answer").status(),
        200
    );
    server.assert_well().await;
    assert_eq!(
        gate.entries.try_iter().count(),
        1,
        "the abandoned picture was not run"
    );
    let series = "stillhouse_requests_total{model=\"toy\",outcome=\"cancelled\",role=\"stable\",version=\"v1\"}";
    assert_eq!(server.metric(series).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_fails_panics_or_answers_nan_costs_that_answer_only() {
    let script = |input: &[f32], rows: usize| match (input[0] * 255.0).round() as u8 {
        10 => panic!("a secret path: /etc"),
        20 => Err(EngineError::Run("a secret path: /etc".into())),
        30 => Ok(vec![f32::NAN; rows * 3]),
        40 => Ok(vec![f32::INFINITY; rows * 3]),
        _ => brightness(input, rows),
    };
    let server = TestServer::scripted(script, |_| ()).await;
    for (luma, code) in [
        (10, "inference_panicked"),
        (20, "inference_failed"),
        (30, "non_finite_output"),
        (40, "non_finite_output"),
    ] {
        let reply = server.predict(gray_png(SIDE, luma)).await;
        reply.assert_problem(500, code);
        assert!(
            !reply.text.contains("secret"),
            "internals leak: {}",
            reply.text
        );
        server.assert_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_describe_themselves() {
    let server = TestServer::start(|_| ()).await;
    let list = server.get("/models").await.json();
    assert_eq!(list["models"][0]["model"], "toy");
    assert_eq!(list["models"][0]["default"], true);
    assert_eq!(list["models"][0]["roles"][0]["version"], "v1");
    let one = server.get("/models/toy").await.json();
    assert_eq!(one["labels"], json!(LABELS));
    assert_eq!(one["input"]["tensor_shape"], json!([1, SIDE, SIDE]));
    assert_eq!(one["input"]["transform"]["color"], "gray");
    let api = server.get("/openapi.json").await.json();
    for path in [
        "/predict",
        "/models",
        "/models/{model}",
        "/models/{model}/predict",
        "/readyz",
    ] {
        assert!(api["paths"][path].is_object(), "{path} is documented");
    }
    assert!(api["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
    let docs = server.get("/docs/").await;
    assert_eq!(docs.status, 200);
    assert!(docs.text.contains("swagger-ui"), "{}", docs.text);
    assert_eq!(server.get("/docs/swagger-ui-bundle.js").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    assert!(
        server
            .metrics()
            .await
            .contains("stillhouse_model_info{engine=\"scripted\",model=\"toy\"")
    );
}

/// Names, types and documentation of all metrics: dashboards and alerts are written against them.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_keep_their_names() {
    let server = TestServer::start(|_| ()).await;
    server.assert_well().await;
    server.get("/nowhere").await.assert_problem(404, "no_route");
    let text = server.metrics().await;
    let described: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with('#') && line.contains(" stillhouse_"))
        .collect();
    insta::assert_snapshot!(described.join("\n"));
}
