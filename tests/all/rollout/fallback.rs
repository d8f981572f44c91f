//! When a canary fails, callers still get an answer.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use serde_json::json;
use stillhouse_engine::{EngineError, scripted::Scripted};

use super::{TRIGGER, always, favour, is_trigger, scripted};
use crate::{
    server::TestServer,
    toy::{SIDE, gray_png, png},
};

/// A server whose whole traffic goes to a canary `v2`, with `v1` as its fallback.
async fn all_on_canary(canary: Scripted, fallback_after_ms: u64) -> TestServer {
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", canary)], |config| {
        config.routing.fallback_after_ms = fallback_after_ms;
        config.routing.role_header = true;
    })
    .await;
    let reply = server
        .order("POST", "canary", json!({"version": "v2", "share": "100%"}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    server
}

fn series(role: &str, version: &str, outcome: &str) -> String {
    format!(
        "stillhouse_requests_total{{model=\"toy\",outcome=\"{outcome}\",role=\"{role}\",version=\"{version}\"}}"
    )
}

fn fallback(reason: &str) -> String {
    format!(
        "stillhouse_fallbacks_total{{model=\"toy\",reason=\"{reason}\",role=\"canary\",version=\"v2\"}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_nan_and_panics_count_against_the_canary_and_callers_get_answers() {
    type Failure = fn() -> Result<Vec<f32>, EngineError>;
    let failures: [Failure; 4] = [
        || Err(EngineError::Run("out of luck".into())),
        || Ok(vec![f32::NAN; 3]),
        || Ok(vec![0.0, f32::INFINITY, 0.0]),
        || panic!("a bug in the engine"),
    ];
    for failure in failures {
        let canary = scripted(move |input, rows| match is_trigger(input) {
            true => failure(),
            false => Ok(favour(1, rows)),
        });
        let server = all_on_canary(canary, 1000).await;
        let good = server.predict(gray_png(SIDE, 9)).await.json();
        assert_eq!(
            (&good["role"], &good["instead_of"]),
            (&json!("canary"), &json!(null))
        );
        let saved = server.predict(gray_png(SIDE, TRIGGER)).await;
        assert_eq!(saved.status, 200, "{}", saved.text);
        let answer = saved.json();
        assert_eq!(
            (&answer["role"], &answer["version"], &answer["instead_of"]),
            (&json!("stable"), &json!("v1"), &json!("canary")),
        );
        assert_eq!(answer["predictions"][0]["label"], "dark");
        assert_eq!(server.metric(&series("canary", "v2", "failed")).await, 1.0);
        assert_eq!(server.metric(&series("stable", "v1", "ok")).await, 1.0);
        assert_eq!(server.metric(&fallback("failed")).await, 1.0);
        // A client that asks for the canary by name sees its errors.
        let pinned = server
            .post(
                "/predict",
                gray_png(SIDE, TRIGGER),
                &[("x-stillhouse-role", "canary")],
            )
            .await;
        assert_eq!(pinned.status, 500, "{}", pinned.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_picture_in_a_list_moves_the_whole_list_to_stable() {
    let canary = scripted(|input, rows| match input.chunks(16).any(is_trigger) {
        true => Err(EngineError::Run("out of luck".into())),
        false => Ok(favour(1, rows)),
    });
    let server = all_on_canary(canary, 1000).await;
    let body = json!({"instances": [vec![0.5; 16], vec![200.0 / 255.0; 16]]}).to_string();
    let answer = server.predict(body).await.json();
    assert_eq!(
        (&answer["role"], &answer["instead_of"]),
        (&json!("stable"), &json!("canary"))
    );
    for result in answer["results"].as_array().expect("two results") {
        assert_eq!(result["predictions"][0]["label"], "dark", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_error_does_not_count_against_the_canary() {
    let server = all_on_canary(always(1), 1000).await;
    server
        .predict("no picture at all")
        .await
        .assert_problem(415, "image_format_unsupported");
    assert_eq!(server.metric(&series("canary", "v2", "invalid")).await, 1.0);
    assert_eq!(server.metric(&series("stable", "v1", "invalid")).await, 0.0);
    let wide = png(SIDE, SIDE, png::ColorType::Rgb, &[9; 48]);
    assert_eq!(server.predict(wide).await.json()["role"], "canary");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_hangs_falls_back_and_then_gets_no_requests() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let hanging = gate.clone();
    let canary = scripted(move |input, rows| {
        if is_trigger(input) {
            let open = hanging.0.lock().expect("whole");
            let _open = hanging.1.wait_while(open, |open| !*open).expect("whole");
        }
        Ok(favour(1, rows))
    });
    let server = all_on_canary(canary, 20).await;
    // One request hangs in the engine, the others wait behind it in the queue; then the open breaker sends callers to
    // stable without a wait.
    for _ in 0..8 {
        let answer = server.predict(gray_png(SIDE, TRIGGER)).await.json();
        assert_eq!(
            (&answer["role"], &answer["instead_of"]),
            (&json!("stable"), &json!("canary"))
        );
    }
    assert_eq!(server.metric(&fallback("expired")).await, 5.0);
    assert_eq!(server.metric(&fallback("breaker_open")).await, 3.0);
    // The canary can be removed while it hangs; stable is not affected.
    let aborted = server.order("POST", "abort", json!({})).await;
    assert_eq!(aborted.status, 200, "{}", aborted.text);
    let answer = server.predict(gray_png(SIDE, TRIGGER)).await.json();
    assert_eq!(
        (&answer["role"], &answer["instead_of"]),
        (&json!("stable"), &json!(null))
    );
    *gate.0.lock().expect("whole") = true;
    gate.1.notify_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_canary_gets_at_most_half_of_the_callers_time() {
    let canary = scripted(|input, rows| {
        if is_trigger(input) {
            // A slow version, not a synchronisation: it takes longer than any caller below would wait.
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(favour(1, rows))
    });
    let server = all_on_canary(canary, 60_000).await;
    let answer = server
        .post(
            "/predict",
            gray_png(SIDE, TRIGGER),
            &[("x-timeout-ms", "400")],
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["instead_of"], "canary");
}
