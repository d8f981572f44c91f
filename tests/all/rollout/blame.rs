//! Failures that callers can produce at will are no evidence against a canary.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use stillhouse_engine::{EngineError, scripted::Scripted};

use super::{always, favour, scripted};
use crate::{
    server::TestServer,
    toy::{LABELS, SIDE, gray_png, png},
};

/// The tests' pictures begin with this luma; those of examinations never do.
const MARK: u8 = 7;

/// The nth of many different pictures on which an engine misbehaves.
fn marked(n: u8) -> Vec<u8> {
    let mut pixels = vec![100; (SIDE * SIDE) as usize];
    (pixels[0], pixels[1]) = (MARK, n);
    png(SIDE, SIDE, png::ColorType::Grayscale, &pixels)
}

fn is_marked(input: &[f32]) -> bool {
    input
        .chunks_exact((SIDE * SIDE) as usize)
        .any(|row| (row[0] - f32::from(MARK) / 255.0).abs() < 1e-4 && row[1] != row[0])
}

/// A server whose whole traffic goes to the canary `v2`, with `v1` as its fallback.
async fn all_on_canary(stable: Scripted, canary: Scripted) -> TestServer {
    let server = TestServer::fleet(vec![("v1", stable), ("v2", canary)], |config| {
        config.batch.queue = 128;
        config.routing.key_header = "x-user".into();
        config.routing.role_header = true;
    })
    .await;
    let order = json!({"version": "v2", "share": "100%"});
    let reply = server.order("POST", "canary", order).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    // From here on everything is counted.
    server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
    server
}

/// The judge's evidence, once it includes one more answer of the canary than before.
async fn evidence(server: &TestServer) -> Value {
    let answers = |view: &Value| view["on_trial"]["step_answers"].as_u64();
    let before = server
        .admin_view("/evidence", |view| answers(view).is_some())
        .await;
    let good = server.predict(gray_png(SIDE, 9)).await.json();
    assert_eq!(good["role"], "canary", "{good}");
    let seen = |view: &Value| answers(view) > answers(&before);
    server.admin_view("/evidence", seen).await["on_trial"].take()
}

fn counts(evidence: &Value) -> (u64, u64) {
    let count = |name: &str| evidence[name].as_u64().expect("a number");
    (count("early_errors"), count("non_finite"))
}

fn out_of_luck() -> Result<Vec<f32>, EngineError> {
    Err(EngineError::Run("out of luck".into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_patience_is_refused_and_is_no_evidence() {
    let server = all_on_canary(always(0), always(1)).await;
    let form = json!({"instances": vec![vec![0.5; 16]; 64]}).to_string();
    for n in 0..20 {
        let late = server
            .post("/predict", marked(n), &[("x-timeout-ms", "0")])
            .await;
        late.assert_problem(504, "client_deadline_exceeded");
        let late = server
            .post("/predict", form.clone(), &[("x-timeout-ms", "0")])
            .await;
        late.assert_problem(504, "client_deadline_exceeded");
    }
    assert_eq!(counts(&evidence(&server).await), (0, 0));
    assert_eq!(server.deployment().await["canary"], "v2");
}

/// The canary hangs, stable answers in the rest of a time that the client chose: that time was too short to count.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_clients_choose_is_no_evidence() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let hanging = gate.clone();
    let canary = scripted(move |input, rows| {
        if is_marked(input) {
            let open = hanging.0.lock().expect("whole");
            let _open = hanging.1.wait_while(open, |open| !*open).expect("whole");
        }
        Ok(favour(1, rows))
    });
    let server = all_on_canary(always(0), canary).await;
    for n in 0..4 {
        let saved = server
            .post("/predict", marked(n), &[("x-timeout-ms", "200")])
            .await;
        assert_eq!(saved.json()["instead_of"], "canary", "{}", saved.text);
    }
    *gate.0.lock().expect("whole") = true;
    gate.1.notify_all();
    assert_eq!(counts(&evidence(&server).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_counts_once_however_many_inputs_it_holds() {
    let canary = scripted(|input, rows| match is_marked(input) {
        true => out_of_luck(),
        false => Ok(favour(1, rows)),
    });
    let server = all_on_canary(always(0), canary).await;
    let mut row = vec![100.0 / 255.0; 16];
    row[0] = f32::from(MARK) / 255.0;
    let form = json!({"instances": vec![row; 64]}).to_string();
    let saved = server.predict(form).await.json();
    assert_eq!(saved["instead_of"], "canary");
    assert_eq!(saved["results"].as_array().map(Vec::len), Some(64));
    assert_eq!(counts(&evidence(&server).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_counts_once_and_without_a_key_a_picture_does() {
    let canary = scripted(|input, rows| match is_marked(input) {
        true => Ok(vec![f32::NAN; rows * LABELS.len()]),
        false => Ok(favour(1, rows)),
    });
    let server = all_on_canary(always(0), canary).await;
    for n in 0..4 {
        let saved = server
            .post("/predict", marked(n), &[("x-user", "anna")])
            .await;
        assert_eq!(saved.json()["instead_of"], "canary", "{}", saved.text);
    }
    assert_eq!(counts(&evidence(&server).await), (1, 1));
    for _ in 0..4 {
        let saved = server.predict(marked(77)).await;
        assert_eq!(saved.json()["instead_of"], "canary", "{}", saved.text);
    }
    assert_eq!(counts(&evidence(&server).await), (2, 2));
}

/// A tensor that every network fails on is only its sender's fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_stable_fails_as_well_is_no_evidence() {
    let nan = |class| {
        scripted(move |input, rows| match is_marked(input) {
            true => Ok(vec![f32::NAN; rows * LABELS.len()]),
            false => Ok(favour(class, rows)),
        })
    };
    let server = all_on_canary(nan(0), nan(1)).await;
    for n in 10..20 {
        server
            .predict(marked(n))
            .await
            .assert_problem(500, "non_finite_output");
    }
    assert_eq!(counts(&evidence(&server).await), (0, 0));
}

/// After five failures the breaker opens: the requests that come then aren't the canary's failures.
#[tokio::test(flavor = "multi_thread")]
async fn requests_stopped_by_the_breaker_are_no_evidence() {
    let canary = scripted(|input, rows| match is_marked(input) {
        true => out_of_luck(),
        false => Ok(favour(1, rows)),
    });
    let server = all_on_canary(always(0), canary).await;
    server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
    for n in 0..30 {
        let saved = server.predict(marked(n)).await.json();
        assert_eq!(saved["instead_of"], "canary", "{saved}");
    }
    let open = "stillhouse_fallbacks_total{model=\"toy\",reason=\"breaker_open\",role=\"canary\",version=\"v2\"}";
    assert!(server.metric(open).await >= 20.0);
    // A client that asks for the canary by name closes its breaker again.
    let pinned = server
        .post(
            "/predict",
            gray_png(SIDE, 9),
            &[("x-stillhouse-role", "canary")],
        )
        .await;
    assert_eq!(pinned.status, 200, "{}", pinned.text);
    let view = server
        .admin_view("/evidence", |view| view["on_trial"]["early_errors"] != 0)
        .await;
    let early = view["on_trial"]["early_errors"].as_u64().expect("a number");
    assert!(
        (5..=9).contains(&early),
        "{early} of 30 requests were counted"
    );
}

/// Damaged and huge pictures are their senders' fault.
#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_cannot_be_read_are_no_evidence() {
    let server = all_on_canary(always(0), always(1)).await;
    let whole = gray_png(SIDE, 9);
    for cut in 1..30 {
        let reply = server.predict(whole[..whole.len() - cut].to_vec()).await;
        assert!((400..500).contains(&reply.status), "{}", reply.text);
    }
    assert_eq!(counts(&evidence(&server).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_comes_too_slowly_ends_at_the_deadline() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = TestServer::start(|config| config.requests.deadline_ms = 200).await;
    for (header, code) in [
        ("", "\"deadline_exceeded\""),
        ("x-timeout-ms: 50\r\n", "\"client_deadline_exceeded\""),
    ] {
        let mut stream = tokio::net::TcpStream::connect(server.data)
            .await
            .expect("connects");
        let head =
            format!("POST /predict HTTP/1.1\r\nHost: x\r\n{header}Content-Length: 100\r\n\r\nabc");
        stream.write_all(head.as_bytes()).await.expect("written");
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(15), stream.read(&mut answer));
        let read = read
            .await
            .expect("before the body's own timeout")
            .expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(
            answer.starts_with("HTTP/1.1 504") && answer.contains(code),
            "{answer}"
        );
    }
}
