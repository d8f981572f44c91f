//! Callers who send what fails everywhere end no canary; one that fails alone is out at once.

use serde_json::{Value, json};
use stillhouse_engine::scripted::Scripted;

use super::{PAIRS, beside_teacher, is_rehearsal, picture, send, trial};
use crate::{
    rollout::{always, favour, scripted},
    server::TestServer,
    toy::LABELS,
};

/// The number of requests in which a canary at half of the traffic would be ended many times over.
const REQUESTS: usize = 240;

/// Like `always`, but not finite for numbers that no network survives.
fn overflowing() -> Scripted {
    scripted(|input, rows| {
        let answer = |row: &[f32]| match row.iter().any(|number| *number > 1e37) {
            true => vec![f32::NAN; LABELS.len()],
            false => favour(0, 1),
        };
        Ok(input
            .chunks_exact(input.len() / rows)
            .flat_map(answer)
            .collect())
    })
}

/// The nth of many tensors in which every sum overflows.
fn huge(n: usize) -> String {
    let mut numbers = vec![1e38; 16];
    numbers[0] = n as f64;
    json!({"instances": [numbers]}).to_string()
}

async fn begin(server: &TestServer, share: &str, teacher: &str) {
    let order = json!({"version": "v2", "share": share, "plan": "automatic"});
    let reply = server.order("POST", "canary", order).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let reply = server
        .order("PUT", "split", json!({"teacher": teacher}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_without_patience_end_no_canary() {
    let versions = vec![("v1", always(0)), ("v2", always(0))];
    let server = beside_teacher(always(0), versions, |_| {}).await;
    begin(&server, "50%", "0%").await;
    for n in 0..REQUESTS {
        let timeout: &[(&str, &str)] = match n % 3 {
            0 => &[("x-timeout-ms", "0")],
            _ => &[],
        };
        let reply = server.post("/predict", picture(n), timeout).await;
        assert_eq!(reply.status == 200, n % 3 != 0, "{}", reply.text);
    }
    let pairs = (REQUESTS * 2 / 3) as u64;
    let trial = trial(&server, pairs).await;
    let counts = (&trial["early_errors"], &trial["non_finite"]);
    assert_eq!(counts, (&json!(0), &json!(0)), "{trial:#}");
    assert_eq!(server.deployment().await["canary"], "v2");
}

/// Live, stable is asked as well; where the teacher has answered, shadows run both.
#[tokio::test(flavor = "multi_thread")]
async fn tensors_that_no_network_survives_end_no_canary() {
    let versions = vec![("v1", overflowing()), ("v2", overflowing())];
    let server = beside_teacher(always(0), versions, |_| {}).await;
    begin(&server, "40%", "20%").await;
    let mut answered_by_teacher = 0;
    for n in 0..REQUESTS {
        let reply = server.predict(huge(n)).await;
        match reply.status {
            200 => answered_by_teacher += 1,
            _ => assert!(reply.text.contains("non_finite_output"), "{}", reply.text),
        }
    }
    assert!(answered_by_teacher >= 10, "{answered_by_teacher}");
    send(&server, 0..30).await;
    let trial = trial(&server, answered_by_teacher + 30).await;
    let counts = (&trial["early_errors"], &trial["non_finite"]);
    assert_eq!(counts, (&json!(0), &json!(0)), "{trial:#}");
    for metric in &trial["metrics"].as_array().expect("metrics")[..2] {
        assert_eq!(metric["estimate"], 0.0, "{metric:#}");
    }
    assert_eq!(
        trial["metrics"][2]["estimate"],
        Value::Null,
        "neither has an error: {trial:#}"
    );
    assert_eq!(server.deployment().await["canary"], "v2");
}

/// A canary that isn't finite where stable is: its first three callers are enough, whether their answers were the canary's or
/// its shadow's.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_overflows_alone_is_out_at_once() {
    let versions = vec![("v1", always(0)), ("v2", overflowing())];
    let server = beside_teacher(always(0), versions, |_| {}).await;
    begin(&server, "50%", "0%").await;
    for n in 0..3 {
        let reply = server.predict(huge(n)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    let reason = view["last"]["trial"]["reasons"][0].to_string();
    assert!(
        reason.contains("3 answers of the canary weren't finite"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_is_counted_once_in_shadows_too() {
    let nan = scripted(|input, rows| match is_rehearsal(&input[..16]) {
        true => Ok(favour(0, rows)),
        false => Ok(vec![f32::NAN; rows * LABELS.len()]),
    });
    let versions = vec![("v1", always(0)), ("v2", nan)];
    let server = beside_teacher(always(0), versions, |config| {
        config.shadow.cooldown_seconds = 0;
        config.routing.key_header = "x-user".into();
    })
    .await;
    // Led by hand: three different answers of a NaN would end it otherwise.
    let order = json!({"version": "v2", "share": 0, "plan": "manual"});
    let reply = server.order("POST", "canary", order).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
    for (user, pictures) in [("anna", 0..5), ("bela", 5..8)] {
        for n in pictures {
            let reply = server
                .post("/predict", picture(n), &[("x-user", user)])
                .await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        }
    }
    server.until(PAIRS, 8.0).await;
    let trial = trial(&server, 8).await;
    assert_eq!(trial["non_finite"], 2, "{trial:#}");
}
