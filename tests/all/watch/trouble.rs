//! Teachers that fail, hang or answer wrongly: answers are unaffected, and missing pairs are visible.

use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;
use serde_json::{Value, json};
use stillhouse_engine::{EngineError, scripted::Scripted};

use super::{PAIRS, beside_teacher, by_number, everything, is_rehearsal, missed, number, of, send};
use crate::{
    rollout::{always, favour, scripted},
    server::TestServer,
    toy::{LABELS, SIDE, toy_manifest, write_version},
};

const STARVED: &str = "stillhouse_shadows_starved{model=\"toy\"}";

/// A teacher that works during its examination and fails on every picture of a caller.
fn failing(fail: impl Fn() -> Result<Vec<f32>, EngineError> + Send + Sync + 'static) -> Scripted {
    scripted(move |input, rows| match is_rehearsal(&input[..16]) {
        true => Ok(favour(0, rows)),
        false => fail(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teacher_that_fails_costs_its_pairs_and_no_answer() {
    type Failure = fn() -> Result<Vec<f32>, EngineError>;
    let failures: [(Failure, &str); 3] = [
        (
            || Err(EngineError::Run("out of luck".into())),
            "teacher_failed",
        ),
        (|| panic!("a bug in the engine"), "teacher_failed"),
        (|| Ok(vec![f32::NAN; LABELS.len()]), "teacher_non_finite"),
    ];
    for (failure, reason) in failures {
        // One row per run, so that a script needn't know how many there are.
        let teacher = failing(failure).with_batch_limit(1);
        let server = beside_teacher(teacher, vec![("v1", always(0))], |config| {
            config.shadow.starved_after_seconds = 0;
        })
        .await;
        send(&server, 0..30).await;
        server.until(&missed(reason), 30.0).await;
        assert_eq!(server.metric(PAIRS).await, 0.0);
        server.until(STARVED, 1.0).await;
        let ok = "stillhouse_requests_total{model=\"toy\",outcome=\"ok\",role=\"stable\",version=\"v1\"}";
        assert_eq!(server.metric(ok).await, 30.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teacher_that_hangs_starves_only_the_shadows() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let hanging = gate.clone();
    let teacher = failing(move || {
        let open = hanging.0.lock().expect("whole");
        let _open = hanging.1.wait_while(open, |open| !*open).expect("whole");
        Err(EngineError::Run("too late".into()))
    });
    let server = beside_teacher(
        teacher,
        vec![("v1", always(0)), ("v2", always(0))],
        |config| {
            config.shadow.queue = 8;
            config.shadow.starved_after_seconds = 0;
        },
    )
    .await;
    server
        .order(
            "POST",
            "canary",
            json!({"version": "v2", "plan": "automatic"}),
        )
        .await;
    send(&server, 0..60).await;
    server.until(&missed("queue_full"), 30.0).await;
    server.until(STARVED, 1.0).await;
    let evidence = server
        .admin_view("/evidence", |view| {
            view["on_trial"]["shadows_starved"] == true
        })
        .await;
    assert_eq!(evidence["on_trial"]["decision"], "alert");
    let reasons = evidence["on_trial"]["reasons"].to_string();
    assert!(reasons.contains("starved"), "{reasons}");
    send(&server, 60..70).await;
    *gate.0.lock().expect("whole") = true;
    gate.1.notify_all();
}

/// A canary that nobody could judge is not left to the judge; led by people, it is held, and the reason is reported.
#[tokio::test(flavor = "multi_thread")]
async fn d7_without_a_teacher_no_canary_is_automatic() {
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", always(0))], |config| {
        everything(config);
        config.models.entry("toy".into()).or_default().teacher = String::new();
    })
    .await;
    let refused = async |method: &str, path: &str, order: Value| {
        let reply = server.order(method, path, order).await;
        reply.assert_problem(409, "no_teacher");
        assert!(
            reply.text.contains("`stillhouse teacher VERSION`"),
            "{}",
            reply.text
        );
    };
    refused(
        "POST",
        "canary",
        json!({"version": "v2", "plan": "automatic"}),
    )
    .await;
    let order = json!({"version": "v2", "share": 0});
    assert_eq!(server.order("POST", "canary", order).await.status, 200);
    refused("PUT", "plan", json!({"plan": "automatic"})).await;
    let evidence = server
        .admin_view("/evidence", |view| view["on_trial"]["decision"] == "alert")
        .await;
    assert_eq!(evidence["teacher"], Value::Null);
    assert_eq!(server.metric(STARVED).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teacher_with_other_labels_or_another_role_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    for name in ["v1", "v2", "wide"] {
        write_version(&models, name, Bytes::from_static(name.as_bytes()), vec![]);
    }
    let wide = Scripted::new((SIDE * SIDE) as usize, LABELS.len() + 1, |_, rows| {
        Ok(vec![0.0; rows * (LABELS.len() + 1)])
    });
    let versions = vec![("v1", always(0)), ("v2", always(0)), ("wide", wide)];
    let server = TestServer::fleet_in(folder.path(), versions, |_| {}).await;
    let reply = server
        .order("PUT", "teacher", json!({"version": "wide"}))
        .await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    let classes = toy_manifest().output.classes;
    assert!(
        reply.text.contains(&classes.to_string()) && reply.text.contains('4'),
        "{}",
        reply.text
    );
    // No version is teacher and canary at once: compared with itself, it could only win.
    let reply = server
        .order("PUT", "teacher", json!({"version": "v2"}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let reply = server
        .order("POST", "canary", json!({"version": "v2", "share": 0}))
        .await;
    assert_eq!(reply.status, 409, "{}", reply.text);
}

/// If a student's engine fails on some pictures of a batch, only those fail.
#[tokio::test(flavor = "multi_thread")]
async fn one_poisoned_picture_fails_alone() {
    let canary =
        scripted(
            |input, rows| match input.chunks_exact(16).any(|row| number(row) % 10 == 3) {
                true => Err(EngineError::Run("poisoned".into())),
                false => Ok(favour(0, rows)),
            },
        );
    let teacher = by_number(|_| 0);
    let server = beside_teacher(teacher, vec![("v1", always(0)), ("v2", canary)], |_| {}).await;
    server
        .order("POST", "canary", json!({"version": "v2", "share": 0}))
        .await;
    send(&server, 0..100).await;
    server.until(PAIRS, 100.0).await;
    assert_eq!(
        server.metric(&of("agreements_total", "v2", "canary")).await,
        90.0
    );
    // Each failure counts as the worst result.
    let clipped = server
        .metric(&of("divergence_clipped_nats_total", "v2", "canary"))
        .await;
    assert!((clipped - 20.0).abs() < 1e-9, "{clipped}");
}
