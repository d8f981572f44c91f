//! Which version answers which caller.

use std::collections::HashMap;

use serde_json::{Value, json};
use stillhouse::rollout::{Split, split};

use super::always;
use crate::{
    server::TestServer,
    toy::{SIDE, gray_png},
};

const REQUESTS: u32 = 200;

async fn server() -> TestServer {
    let versions = vec![("v1", always(0)), ("v2", always(1)), ("teacher", always(2))];
    TestServer::fleet(versions, |config| {
        config.routing.key_header = "x-user".into();
        config.routing.key_cookie = "uid".into();
        config.routing.role_header = true;
        config.models.entry("toy".into()).or_default().teacher = "teacher".into();
    })
    .await
}

/// The answer to a picture that a user sends; its label must be that of the version it names.
async fn ask(server: &TestServer, headers: &[(&str, &str)]) -> Value {
    let reply = server.post("/predict", gray_png(SIDE, 7), headers).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let answer = reply.json();
    let label = match answer["version"].as_str() {
        Some("v1") => "dark",
        Some("v2") => "middle",
        Some("teacher") => "bright",
        other => panic!("no such version: {other:?}"),
    };
    assert_eq!(answer["predictions"][0]["label"], label, "{answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn users_stay_with_their_role_while_the_canary_grows() {
    let server = server().await;
    let started = server
        .order("POST", "canary", json!({"version": "v2", "share": "1%"}))
        .await;
    assert_eq!(started.status, 200, "{}", started.text);
    let teaches = server
        .order("PUT", "split", json!({"teacher": "20%"}))
        .await;
    assert_eq!(teaches.status, 200, "{}", teaches.text);

    let mut before: HashMap<u32, String> = HashMap::new();
    for share in [1_000u16, 3_000, 8_000] {
        let grown = server
            .order("PUT", "split", json!({"canary": share}))
            .await
            .json();
        let settled: Split =
            serde_json::from_value(grown["after"]["split"].clone()).expect("a split");
        for user in 0..60u32 {
            let name = format!("user-{user}");
            let by_header = ask(&server, &[("x-user", &name)]).await;
            // The same split computed in this process: the server does what is documented.
            let expected = split::role(settled, split::draw("toy", 1, name.as_bytes()));
            assert_eq!(by_header["role"], expected.as_str(), "{name} at {share}");
            assert_eq!(by_header["generation"], grown["after"]["generation"]);
            let cookie = format!("theme=dark; uid={name}");
            assert_eq!(
                ask(&server, &[("cookie", &cookie)]).await["role"],
                expected.as_str()
            );
            let role = expected.to_string();
            if before.get(&user).is_some_and(|role| role == "canary") {
                assert_eq!(role, "canary", "{name} left the canary at {share}");
            }
            before.insert(user, role);
        }
    }
    let roles = |wanted: &str| before.values().filter(|role| *role == wanted).count();
    assert!(
        roles("canary") > 35 && roles("teacher") > 3 && roles("stable") == 0,
        "{before:?}"
    );
    assert_eq!(
        server
            .metric("stillhouse_split_share_ratio{model=\"toy\",role=\"canary\"}")
            .await,
        0.8
    );
    assert!(
        server
            .metric("stillhouse_routed_total{model=\"toy\",role=\"canary\"}")
            .await
            > 35.0
    );
    // 60 users, each counted once although each sent two requests a round.
    let seats = server.deployment().await["seats"]
        .as_array()
        .expect("seats")
        .clone();
    let drawn: u64 = seats
        .iter()
        .map(|seat| seat["drawn"].as_u64().expect("a count"))
        .sum();
    assert_eq!(drawn, 60, "{seats:?}");
    assert!(
        server
            .metric("stillhouse_sample_ratio_log_e{model=\"toy\"}")
            .await
            < 2.0
    );
}

/// With ids that clients choose, one of them could fill the canary, or keep out of every comparison with the teacher.
#[tokio::test(flavor = "multi_thread")]
async fn d5_the_request_id_decides_neither_role_nor_comparison() {
    let server = server().await;
    server
        .order("POST", "canary", json!({"version": "v2", "share": "50%"}))
        .await;
    let compared = || async {
        server
            .metric("stillhouse_shadow_samples_total{model=\"toy\",role=\"stable\"}")
            .await
    };
    let before = compared().await;
    let mut canaries = 0u32;
    for _ in 0..REQUESTS {
        let answer = ask(&server, &[("x-request-id", "always-the-same")]).await;
        assert_eq!(answer["request_id"], "always-the-same");
        canaries += u32::from(answer["role"] == "canary");
    }
    // Five standard deviations and more around a half.
    assert!((70..=130).contains(&canaries), "{canaries} of {REQUESTS}");
    let by_stable = REQUESTS - canaries;
    let compared = (compared().await - before) as u32;
    assert!(
        (1..by_stable).contains(&compared),
        "{compared} of {by_stable} were compared"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_chooses_the_role_where_that_is_allowed() {
    let server = server().await;
    for (role, version) in [("stable", "v1"), ("Teacher", "teacher")] {
        assert_eq!(
            ask(&server, &[("x-stillhouse-role", role)]).await["version"],
            version
        );
    }
    for (role, code) in [
        ("canary", "role_not_filled"),
        ("boss", "unknown_role"),
        ("", "unknown_role"),
    ] {
        let reply = server
            .post(
                "/predict",
                gray_png(SIDE, 7),
                &[("x-stillhouse-role", role)],
            )
            .await;
        reply.assert_problem(404, code);
    }
    let strict = TestServer::fleet(vec![("v1", always(0))], |_| {}).await;
    let reply = strict
        .post(
            "/predict",
            gray_png(SIDE, 7),
            &[("x-stillhouse-role", "stable")],
        )
        .await;
    reply.assert_problem(403, "role_not_allowed");
}
