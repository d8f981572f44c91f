//! Automatic promotions, one after the other: the anchor and the number of each try, and pairs by hour of the day.

use serde_json::{Value, json};
use stillhouse::config::Config;

use super::{
    PAIRS, beside_teacher, by_number, everything,
    judging::{begin, hasty, send_until},
    send,
};
use crate::{operator, rollout::always, server::TestServer};

async fn order(server: &TestServer, method: &str, path: &str, body: Value) {
    let reply = server.order(method, path, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

async fn on_trial(server: &TestServer, enough: impl Fn(&Value) -> bool) -> Value {
    let view = server
        .admin_view("/evidence", |view| enough(&view["on_trial"]))
        .await;
    view["on_trial"].clone()
}

/// Aborted and started again, a canary is on its second try, and a restart or another canary doesn't change that; what a person
/// promotes begins anew, but not for a network that was tried before.
#[tokio::test(flavor = "multi_thread")]
async fn tries_are_counted_until_a_person_approves() {
    let versions = vec![("v1", always(0)), ("v2", always(0)), ("v3", always(0))];
    let server = beside_teacher(always(0), versions, |_| {}).await;
    let try_number = async |version: &str, plan: &str| {
        let body = json!({"version": version, "share": 0, "plan": plan});
        order(&server, "POST", "canary", body).await;
        let trial = on_trial(&server, |trial| trial["canary"] == version).await;
        trial["try_number"].as_u64().expect("a number")
    };
    let needed = async || {
        let series = "stillhouse_judge_promotion_log_e{model=\"toy\"}";
        server.metric(series).await
    };
    assert_eq!(try_number("v2", "automatic").await, 1);
    let first = needed().await;
    order(&server, "POST", "abort", json!({})).await;
    assert_eq!(try_number("v2", "automatic").await, 2);
    // Four times the evidence.
    assert!((needed().await - first - 4f64.ln()).abs() < 1e-6);
    // The same rollout is the same try.
    order(&server, "PUT", "plan", json!({"plan": "manual"})).await;
    order(&server, "PUT", "plan", json!({"plan": "automatic"})).await;
    assert_eq!(server.deployment().await["tries"]["number"], 2);
    order(&server, "POST", "abort", json!({})).await;
    assert_eq!(try_number("v3", "automatic").await, 3);
    order(&server, "POST", "promote", json!({})).await;
    assert_eq!(try_number("v2", "automatic").await, 3, "the same bytes");
    order(&server, "POST", "abort", json!({})).await;
    assert_eq!(try_number("v1", "automatic").await, 2);
}

/// The judge promotes `v2`; the next canary is compared with `v1` as well, which a person approved. Once that is gone, no canary is
/// promoted any more without a person.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_version_that_a_person_approved_is_the_anchor() {
    let folder = tempfile::tempdir().expect("a folder");
    let nearly = || by_number(|n| usize::from(n % 40 == 0));
    let versions = |names: &[&'static str]| {
        let students = names.iter().map(|name| (*name, nearly()));
        students.chain([("t", always(0))]).collect::<Vec<_>>()
    };
    let configure = |config: &mut Config| {
        everything(config);
        hasty(config);
    };
    let all = versions(&["v1", "v2", "v3"]);
    let mut server = TestServer::fleet_in(folder.path(), all, configure).await;
    begin(&server, "automatic").await;
    let deployment = send_until(&server, |view| view["stable"] == "v2").await;
    assert_eq!(deployment["anchor"], "v1");

    let body = json!({"version": "v3", "share": 0, "plan": "automatic"});
    order(&server, "POST", "canary", body).await;
    let trial = on_trial(&server, |trial| trial["canary"] == "v3").await;
    assert_eq!(trial["anchor"], "v1");
    let metrics = trial["metrics"].as_array().expect("metrics").iter();
    let names: Vec<&str> = metrics
        .filter_map(|metric| metric["metric"].as_str())
        .collect();
    let of_anchor = ["anchor_disagreement", "anchor_divergence"];
    assert!(
        of_anchor.iter().all(|name| names.contains(name)),
        "{names:?}"
    );
    // As good as all others, it is near the anchor as well.
    let deployment = send_until(&server, |view| view["stable"] == "v3").await;
    assert_eq!(
        (&deployment["anchor"], &deployment["previous"]),
        (&json!("v1"), &json!("v2"))
    );
    let body = json!({"version": "v2", "share": 0, "plan": "automatic"});
    order(&server, "POST", "canary", body).await;
    on_trial(&server, |trial| trial["anchor"] == "v1").await;
    server.begin_stop();
    server.ended().await;
    std::fs::remove_dir_all(folder.path().join("models/toy/v1")).expect("removed");

    let left = versions(&["v2", "v3"]);
    let server = TestServer::fleet_in(folder.path(), left, configure).await;
    let trial = on_trial(&server, |trial| trial["decision"] == "alert").await;
    let reason = trial["reasons"][0].as_str().expect("words");
    assert!(
        reason.contains("v1, the last version that a person approved, isn't loaded"),
        "{reason}"
    );
    assert_eq!(server.deployment().await["anchor"], "v1");
    order(&server, "POST", "promote", json!({})).await;
    assert_eq!(server.deployment().await["anchor"], Value::Null);
}

/// Each canary is within the margin of the one before; the second is beyond the margin of what a person approved.
#[tokio::test(flavor = "multi_thread")]
async fn small_losses_do_not_add_up() {
    let wrong = |percent: usize| by_number(move |n| usize::from(n % 100 < percent));
    let versions = vec![("v1", always(0)), ("v2", wrong(5)), ("v3", wrong(14))];
    let server = beside_teacher(always(0), versions, |config| {
        hasty(config);
        config.judge.disagreement_margin = 0.1;
        config.judge.divergence_margin_nats = 0.2;
    })
    .await;
    begin(&server, "automatic").await;
    send_until(&server, |view| view["stable"] == "v2").await;
    let body = json!({"version": "v3", "share": 0, "plan": "automatic"});
    order(&server, "POST", "canary", body).await;
    // Half of the requests, and then it waits for a person.
    send_until(&server, |view| view["split"]["canary"] != 0).await;
    let reason = "disagreement: worse than v1, the last version that a person approved";
    let mut sent = 0;
    loop {
        send(&server, sent..sent + 50).await;
        sent += 50;
        let trial = on_trial(&server, |trial| !trial.is_null()).await;
        if trial["reasons"].to_string().contains("worse than v1") {
            assert_eq!(trial["decision"], "alert", "{trial:#}");
            break;
        }
        assert!(sent < 30_000, "{reason}: {trial:#}");
    }
    assert_eq!(server.deployment().await["stable"], "v2");
}

/// Before a canary begins: how long it would take, with the judge's own criteria and the present traffic.
#[tokio::test(flavor = "multi_thread")]
async fn the_plan_is_explained_before_it_begins() {
    let stable = by_number(|n| usize::from(n % 40 == 0));
    let versions = vec![("v1", stable), ("v2", always(0))];
    let server = beside_teacher(always(0), versions, hasty).await;
    server
        .admin_view("/drift", |view| !view["roles"][0].is_null())
        .await;
    send(&server, 0..200).await;
    server.until(PAIRS, 200.0).await;
    let plan = server
        .admin_view("/plan", |view| view["window_seconds"].as_f64() > Some(0.0))
        .await;
    assert_eq!(
        (&plan["pairs"], &plan["answers"]),
        (&json!(200), &json!(200))
    );
    assert_eq!(
        (&plan["try_number"], &plan["criteria"]["promotion_pairs"]),
        (&json!(1), &json!(100))
    );
    let disagreement = plan["disagreement"].as_f64().expect("a number");
    assert!((disagreement - 0.025).abs() < 1e-9, "{plan:#}");

    let text = operator::says(&server, "canary plan --explain --json");
    let explained: Value = serde_json::from_str(&text).expect("JSON");
    let cases = explained["cases"].as_array().expect("cases");
    let case = |margins: f64| {
        let mut cases = cases.iter();
        let found = cases.find(|case| case["margins"] == margins);
        found.expect("a case").clone()
    };
    let (equal, bad) = (case(0.0), case(5.0));
    assert_eq!(equal["promoted"], 1.0, "{equal:#}");
    assert!(equal["median_pairs"].as_u64() >= Some(100), "{equal:#}");
    assert!(equal["p90_seconds"].as_f64() >= equal["median_seconds"].as_f64());
    assert_eq!(bad["rolled_back"], 1.0, "{bad:#}");
    let text = operator::says(&server, "canary plan --explain");
    for words in [
        "promotion",
        "roll-back",
        "5 margins worse",
        "the judge's own tests",
        "a promotion takes 0 s at least",
    ] {
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(
        server.deployment().await["generation"],
        1,
        "nothing was changed"
    );
}

/// The hour of the pairs is kept over a restart.
#[tokio::test(flavor = "multi_thread")]
async fn pairs_are_counted_by_hour_of_the_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = || {
        let canary = by_number(|n| usize::from(n % 10 == 0));
        vec![("v1", always(0)), ("v2", canary), ("t", always(0))]
    };
    let mut server = TestServer::fleet_in(folder.path(), versions(), everything).await;
    begin(&server, "manual").await;
    send(&server, 0..60).await;
    let pairs = |trial: &Value| {
        let hours = trial["hours"].as_array().expect("hours").iter();
        hours.filter_map(|hour| hour["pairs"].as_u64()).sum::<u64>()
    };
    on_trial(&server, |trial| pairs(trial) == 60).await;
    server.begin_stop();
    server.ended().await;
    let server = TestServer::fleet_in(folder.path(), versions(), everything).await;
    let trial = on_trial(&server, |trial| trial["canary"] == "v2").await;
    assert_eq!(pairs(&trial), 60);
    let hours = trial["hours"].as_array().expect("hours");
    // More than one if an hour has ended meanwhile.
    let worse: f64 = hours
        .iter()
        .map(|hour| {
            let number = |name: &str| hour[name].as_f64().expect("a number");
            assert!((0.0..24.0).contains(&number("hour")));
            number("pairs") * number("disagreement")
        })
        .sum();
    assert!((worse - 6.0).abs() < 1e-9, "{hours:?}");
}
