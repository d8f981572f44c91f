//! Orders to the admin plane: preconditions, races, retries, dry runs, refusals.

use serde_json::{Value, json};
use stillhouse::rollout::{
    Abort, Promote, Rollback, SetPlan, SetSplit, SetTeacher, StartCanary, Verb,
};

use super::always;
use crate::{
    server::{Reply, TestServer},
    toy::{SIDE, gray_png},
};

async fn server() -> TestServer {
    let versions = vec![("v1", always(0)), ("v2", always(1)), ("v3", always(2))];
    TestServer::fleet(versions, |_| {}).await
}

async fn send(server: &TestServer, path: &str, headers: &[(&str, &str)], body: Value) -> Reply {
    server
        .admin("POST", &format!("/admin/models/toy/{path}"), headers, body)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_returns_its_result_and_what_undoes_it() {
    let server = server().await;
    let first = server
        .admin("GET", "/admin/models/toy", &[], Value::Null)
        .await;
    assert_eq!(first.header("etag"), "\"1\"");
    let start = json!({"version": "v2", "share": "2.5%", "reason": "fewer errors on shoes"});
    let reply = send(&server, "canary", &[("if-match", "\"1\"")], start).await;
    assert_eq!(
        (reply.status, reply.header("etag")),
        (200, "\"2\""),
        "{}",
        reply.text
    );
    let view = reply.json();
    assert_eq!(view["before"]["canary"], Value::Null);
    assert_eq!(view["after"]["split"], json!({"canary": 250, "teacher": 0}));
    assert_eq!(view["undo"]["path"], "/admin/models/toy/abort");

    let promoted = send(
        &server,
        "promote",
        &[("if-match", "\"2\"")],
        json!({"reason": "good"}),
    )
    .await
    .json();
    assert_eq!(
        (&promoted["after"]["stable"], &promoted["after"]["previous"]),
        (&json!("v2"), &json!("v1"))
    );
    let undo = &promoted["undo"];
    let back = server
        .admin(
            undo["method"].as_str().expect("a method"),
            undo["path"].as_str().expect("a path"),
            &[("if-match", "\"3\"")],
            undo["body"].clone(),
        )
        .await;
    assert_eq!(back.json()["after"]["stable"], "v1", "{}", back.text);

    let history = server
        .admin("GET", "/admin/models/toy/history", &[], Value::Null)
        .await
        .json();
    let entries = history["entries"].as_array().expect("entries");
    let actions: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["action"].as_str())
        .collect();
    assert_eq!(actions, ["rollback", "promote", "start_canary"]);
    assert_eq!(entries[2]["reason"], "fewer errors on shoes");
    assert_eq!(entries[2]["actor"], "anonymous");
    assert_eq!(entries[1]["from"]["canary"], "v2");
    assert_eq!(
        server
            .metric("stillhouse_deployment_generation{model=\"toy\"}")
            .await,
        4.0
    );
    assert_eq!(
        server
            .metric("stillhouse_deployment_changes_total{action=\"promote\",model=\"toy\"}")
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_one_wins_and_the_other_gets_the_current_deployment() {
    let server = server().await;
    let orders = ["v2", "v3", "v2", "v3"].map(|version| {
        send(
            &server,
            "canary",
            &[("if-match", "\"1\"")],
            json!({"version": version, "share": 100}),
        )
    });
    let replies = futures_util::future::join_all(orders).await;
    let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    let winner = won[0].json()["after"].clone();
    for reply in lost {
        reply.assert_problem(412, "stale_generation");
        assert_eq!(reply.json()["current"], winner);
    }
    assert_eq!(server.deployment().await["generation"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_order_is_carried_out_once() {
    let server = server().await;
    let key = [("if-match", "\"1\""), ("idempotency-key", "7d3c")];
    let start = json!({"version": "v2", "share": 100});
    let orders = (0..5).map(|_| send(&server, "canary", &key, start.clone()));
    let replies = futures_util::future::join_all(orders).await;
    assert!(
        replies
            .iter()
            .all(|reply| reply.status == 200 && reply.text == replies[0].text)
    );
    assert_eq!(server.deployment().await["generation"], 2);
    let other = send(
        &server,
        "canary",
        &key,
        json!({"version": "v3", "share": 100}),
    )
    .await;
    other.assert_problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_an_order_without_effect_change_nothing() {
    let server = server().await;
    let dry = send(
        &server,
        "canary?dry_run=true",
        &[],
        json!({"version": "v2", "share": 100}),
    )
    .await
    .json();
    assert_eq!(
        (&dry["dry_run"], &dry["after"]["canary"]),
        (&json!(true), &json!("v2"))
    );
    assert_eq!(server.deployment().await["generation"], 1);
    let loaded = server
        .metric("stillhouse_loads_total{model=\"toy\",outcome=\"ok\"}")
        .await;
    assert_eq!(loaded, 0.0, "a dry run loads nothing");
    let same = server
        .order("PUT", "split", json!({"canary": 0}))
        .await
        .json();
    assert_eq!(
        (&same["changed"], &same["after"]["generation"]),
        (&json!(false), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_cannot_be_carried_out_get_the_reason() {
    let server = server().await;
    let force = "?force=true";
    for (path, headers, body, status, code) in [
        ("promote", vec![], json!({}), 428, "precondition_required"),
        (
            "promote",
            vec![("if-match", "1")],
            json!({}),
            400,
            "if_match_invalid",
        ),
        (
            "promote",
            vec![("if-match", "\"9\"")],
            json!({}),
            412,
            "stale_generation",
        ),
        ("promote?force=yes", vec![], json!({}), 400, "query_invalid"),
        (
            "promote?forced=true",
            vec![],
            json!({}),
            400,
            "query_invalid",
        ),
        ("promote{force}", vec![], json!({}), 409, "no_canary"),
        ("abort{force}", vec![], json!({}), 409, "no_canary"),
        ("rollback{force}", vec![], json!({}), 409, "no_previous"),
        ("canary{force}", vec![], json!({}), 422, "order_invalid"),
        (
            "canary{force}",
            vec![],
            json!({"version": "v2"}),
            422,
            "order_invalid",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "v2", "share": "101%"}),
            422,
            "order_invalid",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "v2", "share": -1}),
            422,
            "order_invalid",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "v2", "share": 0.1}),
            422,
            "order_invalid",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "../v2", "share": 1}),
            422,
            "order_invalid",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "v2", "share": 1, "shared": 2}),
            422,
            "order_invalid",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "v9", "share": 1}),
            404,
            "unknown_version",
        ),
        (
            "canary{force}",
            vec![],
            json!({"version": "v1", "share": 1}),
            409,
            "version_fills_a_role",
        ),
        (
            "versions/v9/load",
            vec![],
            json!({}),
            404,
            "unknown_version",
        ),
        (
            "versions/..%2fv1/load",
            vec![],
            json!({}),
            422,
            "name_invalid",
        ),
        ("promoted", vec![], json!({}), 404, "no_route"),
    ] {
        let reply = send(
            &server,
            &path.replace("{force}", force),
            &headers,
            body.clone(),
        )
        .await;
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        reply.assert_problem(status, code);
    }
    let canary = server
        .order("POST", "canary", json!({"version": "v2", "share": "60%"}))
        .await;
    assert_eq!(canary.status, 200, "{}", canary.text);
    server
        .order("PUT", "split", json!({"teacher": 1}))
        .await
        .assert_problem(409, "no_teacher");
    let teacher = server
        .order("PUT", "teacher", json!({"version": "v3"}))
        .await;
    assert_eq!(teacher.status, 200, "{}", teacher.text);
    server
        .order("PUT", "split", json!({"teacher": "41%"}))
        .await
        .assert_problem(409, "shares_exceed_everything");
    let used = server
        .admin("DELETE", "/admin/models/toy/versions/v3", &[], json!({}))
        .await;
    used.assert_problem(409, "version_in_use");
    let unknown = server
        .admin("GET", "/admin/models/none", &[], Value::Null)
        .await;
    unknown.assert_problem(404, "unknown_model");
    assert_eq!(server.predict(gray_png(SIDE, 7)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verb_is_documented_under_its_method_and_path() {
    fn spelt<V: Verb>() -> (&'static str, &'static str) {
        (V::METHOD, V::SEGMENT)
    }
    let server = server().await;
    let documented = server.get("/openapi.json").await.json();
    for (method, segment) in [
        spelt::<StartCanary>(),
        spelt::<SetPlan>(),
        spelt::<SetSplit>(),
        spelt::<Promote>(),
        spelt::<Abort>(),
        spelt::<Rollback>(),
        spelt::<SetTeacher>(),
    ] {
        let path = format!("/admin/models/{{model}}/{segment}");
        let operation = &documented["paths"][&path][method.to_lowercase()];
        assert!(
            operation["requestBody"].is_object(),
            "{method} {path}: {operation}"
        );
    }
}
