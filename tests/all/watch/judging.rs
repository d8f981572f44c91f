//! Canaries that are judged, without an operator and with one.

use serde_json::{Value, json};
use stillhouse::{config::Config, rollout::Share};

use super::{PAIRS, beside_teacher, by_number, everything, is_rehearsal, send};
use crate::{
    rollout::{always, favour, scripted},
    server::TestServer,
    toy::LABELS,
};

/// A ramp that ends as soon as there is enough evidence.
pub(super) fn hasty(config: &mut Config) {
    config.judge.soak_seconds = 0;
    config.judge.minimum_age_seconds = 0;
    config.judge.step_pairs = 10;
    config.judge.step_answers = 5;
    config.judge.promotion_pairs = 100;
    config.judge.promotion_pictures = 100;
    // Wide margins: a hundred pairs are enough for a proof.
    config.judge.disagreement_margin = 0.2;
    config.judge.divergence_margin_nats = 0.4;
    config.judge.ramp = [0, 5000, 10_000]
        .map(|points| Share::new(points).expect("a share"))
        .to_vec();
}

pub(super) async fn begin(server: &TestServer, plan: &str) {
    let order = json!({"version": "v2", "share": 0, "plan": plan, "reason": "on trial"});
    let reply = server.order("POST", "canary", order).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    server
        .admin_view("/evidence", |view| !view["on_trial"].is_null())
        .await;
}

/// Sends pictures until the deployment satisfies `enough`.
pub(super) async fn send_until(server: &TestServer, enough: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    let mut sent = 0;
    loop {
        send(server, sent..sent + 20).await;
        sent += 20;
        let deployment = server.deployment().await;
        if enough(&deployment) {
            return deployment;
        }
        assert!(
            begun.elapsed().as_secs() < 60 && sent < 60_000,
            "{deployment:#}"
        );
    }
}

async fn history(server: &TestServer) -> Vec<Value> {
    let path = "/admin/models/toy/history";
    let reply = server.admin("GET", path, &[], Value::Null).await;
    reply.json()["entries"].as_array().expect("lines").clone()
}

/// Everything is within the wide margins of the averages; only what stable calls bright is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_lost_a_rare_class_is_removed() {
    let rare = || by_number(|n| if n % 20 == 7 { 2 } else { n % 2 });
    let lost = by_number(|n| n % 2);
    let server = beside_teacher(rare(), vec![("v1", rare()), ("v2", lost)], |config| {
        config.judge.disagreement_margin = 0.2;
        config.judge.divergence_margin_nats = 1.0;
        config.judge.soak_seconds = 3600;
    })
    .await;
    begin(&server, "automatic").await;
    send_until(&server, |view| view["canary"].is_null()).await;
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    let trial = &view["last"]["trial"];
    let reason = trial["reasons"][0].as_str().expect("words");
    assert!(
        reason.starts_with("classes: one has lost more than the margin allows, ")
            && reason.contains("where stable answers \"bright\", canary less stable +100.0 points"),
        "{reason}"
    );
    let classes = &trial["classes"];
    assert_eq!(
        (&classes["worst"][0]["label"], &classes["with_too_few"]),
        (&json!("bright"), &json!(0))
    );
    let text = crate::operator::says(&server, "evidence");
    assert!(
        text.contains("most against it: bright +100.0% in "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_canary_is_removed_automatically_with_its_evidence() {
    let bad = by_number(|n| usize::from(n % 3 == 0));
    let server = beside_teacher(always(0), vec![("v1", always(0)), ("v2", bad)], |_| {}).await;
    begin(&server, "automatic").await;
    let deployment = send_until(&server, |view| view["canary"].is_null()).await;
    assert_eq!(
        (&deployment["stable"], &deployment["generation"]),
        (&json!("v1"), &json!(3))
    );
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    let last = &view["last"];
    assert_eq!(
        (&last["ending"], &last["trial"]["canary"]),
        (&json!("taken out"), &json!("v2"))
    );
    let trial = &last["trial"];
    assert_eq!(trial["decision"], "roll_back");
    let disagreement = &trial["metrics"][0];
    assert_eq!(disagreement["metric"], "disagreement");
    let estimate = disagreement["estimate"].as_f64().expect("a number");
    assert!((0.15..0.6).contains(&estimate), "{estimate}");
    assert!(
        disagreement["roll_back"]["log_e"].as_f64()
            >= disagreement["roll_back"]["needed_log_e"].as_f64()
    );
    assert!(
        trial["reasons"][0]
            .as_str()
            .expect("words")
            .contains("worse than the margin allows")
    );
    // The actor, the reason and the evidence.
    let line = &history(&server).await[0];
    assert_eq!(
        (&line["actor"], &line["action"]),
        (&json!("judge"), &json!("abort"))
    );
    assert!(
        line["reason"].as_str().expect("words").contains("margin"),
        "{line}"
    );
    assert_eq!(line["detail"]["canary"], "v2");
    assert_eq!(
        line["detail"]["metrics"].as_array().expect("metrics").len(),
        4
    );
    let orders = "stillhouse_judge_orders_total{action=\"abort\",model=\"toy\"}";
    assert_eq!(server.metric(orders).await, 1.0);
    assert!(
        !server.metrics().await.contains("evidence_log_e{"),
        "they go with the canary"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_canary_is_promoted_automatically() {
    let good = by_number(|n| usize::from(n % 50 == 0));
    let stable = by_number(|n| usize::from(n % 40 == 0));
    let server = beside_teacher(always(0), vec![("v1", stable), ("v2", good)], hasty).await;
    begin(&server, "automatic").await;
    let deployment = send_until(&server, |view| view["stable"] == "v2").await;
    assert_eq!(
        (&deployment["canary"], &deployment["previous"]),
        (&Value::Null, &json!("v1"))
    );
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    assert_eq!(view["last"]["ending"], "promoted");
    let actions: Vec<String> = history(&server)
        .await
        .iter()
        .rev()
        .map(|line| format!("{} {}", line["actor"], line["action"]).replace('"', ""))
        .collect();
    assert_eq!(
        actions,
        [
            "anonymous start_canary",
            "judge set_split",
            "judge set_split",
            "judge promote"
        ]
    );
}

/// Equal labels, wrong confidence: only the KL divergence shows it.
#[tokio::test(flavor = "multi_thread")]
async fn an_overconfident_canary_is_detected_by_divergence() {
    let soft = |height: f32| scripted(move |_, rows| Ok([height, 0.0, 0.0].repeat(rows)));
    let server = beside_teacher(
        soft(0.5),
        vec![("v1", soft(0.4)), ("v2", soft(8.0))],
        |_| {},
    )
    .await;
    begin(&server, "automatic").await;
    send_until(&server, |view| view["canary"].is_null()).await;
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    let trial = &view["last"]["trial"];
    assert_eq!(trial["metrics"][0]["estimate"], 0.0, "{trial:#}");
    let reasons = trial["reasons"].to_string();
    assert!(
        reasons.contains("divergence") && !reasons.contains("disagreement"),
        "{reasons}"
    );
}

/// Three answers that aren't finite end a canary, even a dark one.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_answers_nan_is_stopped_at_once() {
    let nan = scripted(|input, rows| match is_rehearsal(&input[..16]) {
        true => Ok(favour(0, rows)),
        false => Ok(vec![f32::NAN; rows * LABELS.len()]),
    });
    let server = beside_teacher(always(0), vec![("v1", always(0)), ("v2", nan)], |_| {}).await;
    begin(&server, "automatic").await;
    send_until(&server, |view| view["canary"].is_null()).await;
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    let reasons = view["last"]["trial"]["reasons"].to_string();
    assert!(reasons.contains("weren't finite"), "{reasons}");
    let series = "stillhouse_non_finite_total{model=\"toy\",role=\"canary\",source=\"shadow\",version=\"v2\"}";
    assert!(server.metric(series).await >= 3.0);
}

/// A canary that fails live requests gets these errors counted although stable answers, and is removed without evidence
/// from the teacher.
#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_live_requests_is_removed() {
    let failing = scripted(|input, rows| match is_rehearsal(&input[..16]) {
        true => Ok(favour(0, rows)),
        false => Err(stillhouse_engine::EngineError::Run("out of luck".into())),
    });
    let versions = vec![("v1", always(0)), ("v2", failing)];
    let server = beside_teacher(always(0), versions, |config| {
        // Only what callers get counts here.
        config.shadow.rate = 0.0;
    })
    .await;
    begin(&server, "automatic").await;
    let reply = server.order("PUT", "split", json!({"canary": "50%"})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    send_until(&server, |view| view["canary"].is_null()).await;
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    let reasons = view["last"]["trial"]["reasons"].to_string();
    assert!(
        reasons.contains("of the canary's first 20 answers were errors"),
        "{reasons}"
    );
}

/// Manual: the judge reports what it would do, and does nothing. Automatic again: it acts.
#[tokio::test(flavor = "multi_thread")]
async fn advice_is_only_advice() {
    let bad = by_number(|_| 1);
    let server = beside_teacher(always(0), vec![("v1", always(0)), ("v2", bad)], |_| {}).await;
    begin(&server, "manual").await;
    send(&server, 0..60).await;
    server.until(PAIRS, 60.0).await;
    let view = server
        .admin_view("/evidence", |view| {
            view["on_trial"]["decision"] == "roll_back"
        })
        .await;
    assert_eq!(view["on_trial"]["plan"], "manual");
    assert_eq!(server.deployment().await["canary"], "v2");
    let one_hot = |decision: &str| {
        format!("stillhouse_judge_decision{{decision=\"{decision}\",model=\"toy\"}}")
    };
    assert_eq!(server.metric(&one_hot("roll_back")).await, 1.0);
    assert_eq!(server.metric(&one_hot("hold")).await, 0.0);
    let reply = server
        .order(
            "PUT",
            "plan",
            json!({"plan": "automatic", "reason": "go on"}),
        )
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(
        reply.json()["undo"]["command"],
        "stillhouse canary plan manual --model toy"
    );
    let view = server
        .admin_view("/evidence", |view| !view["last"].is_null())
        .await;
    assert_eq!(view["last"]["ending"], "taken out");
}

/// Evidence of a form that this release doesn't know is lost, and may have been unfavourable: a canary doesn't advance, but a
/// bad one is still removed.
#[tokio::test(flavor = "multi_thread")]
async fn d6_after_lost_evidence_nothing_counts_for_a_canary() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = |bad: usize| {
        let canary = by_number(move |n| usize::from(n % bad == 0));
        vec![("v1", always(0)), ("v2", canary), ("t", always(0))]
    };
    let configure = |config: &mut Config| {
        everything(config);
        hasty(config);
    };
    let mut server = TestServer::fleet_in(folder.path(), versions(1_000_000), configure).await;
    begin(&server, "automatic").await;
    server.begin_stop();
    server.ended().await;
    let trials = folder.path().join("state/trials.json");
    std::fs::write(&trials, r#"{"format":99,"trials":[]}"#).expect("written");

    let mut server = TestServer::fleet_in(folder.path(), versions(1_000_000), configure).await;
    assert_eq!(server.deployment().await["plan"], "automatic");
    send(&server, 1..300).await;
    server.until(PAIRS, 299.0).await;
    let view = server
        .admin_view("/evidence", |view| {
            view["on_trial"]["metrics"][0]["observations"].as_u64() >= Some(250)
        })
        .await;
    let trial = &view["on_trial"];
    assert_eq!(
        (&trial["evidence_lost"], &trial["decision"]),
        (&json!(true), &json!("alert"))
    );
    assert_eq!(trial["share"], 0);
    assert_eq!(
        server
            .metric("stillhouse_evidence_lost{model=\"toy\"}")
            .await,
        1.0
    );
    assert!(
        trial["reasons"][0]
            .as_str()
            .expect("words")
            .contains("a restart lost evidence")
    );
    server.begin_stop();
    server.ended().await;

    let server = TestServer::fleet_in(folder.path(), versions(2), configure).await;
    send_until(&server, |view| view["canary"].is_null()).await;
    assert_eq!(history(&server).await[0]["actor"], "judge");
}

/// Another teacher means other pairs: the evidence from the old teacher must not be dropped in the canary's favour.
#[tokio::test(flavor = "multi_thread")]
async fn another_teacher_begins_a_new_trial() {
    let versions = vec![("v1", always(0)), ("v2", always(0)), ("u", always(0))];
    let server = beside_teacher(always(0), versions, hasty).await;
    begin(&server, "manual").await;
    send(&server, 0..50).await;
    server.until(PAIRS, 50.0).await;
    server
        .admin_view("/evidence", |view| {
            view["on_trial"]["metrics"][0]["observations"] == 50
        })
        .await;
    let reply = server
        .order("PUT", "teacher", json!({"version": "u"}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let view = server
        .admin_view("/evidence", |view| view["on_trial"]["teacher"] == "u")
        .await;
    assert_eq!(view["on_trial"]["metrics"][0]["observations"], 0);
    let trial = &view["on_trial"];
    assert_eq!(trial["evidence_lost"], true);
    let loss = "the teacher was changed: evidence begins again";
    assert_eq!(trial["evidence_loss"], loss);
    let reason = trial["reasons"][0].as_str().expect("words");
    assert!(reason.starts_with(loss), "{reason}");
}
