//! Which requests the admin plane admits.

use serde_json::{Value, json};
use stillhouse::{app::App, config::Config};

use super::always;
use crate::server::TestServer;

const OPERATOR: &str = "operator-secret-1";
const VIEWER: &str = "viewer-secret-number-2";

#[tokio::test(flavor = "multi_thread")]
async fn tokens_give_the_access_of_their_role() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(
        &tokens,
        format!("operator anna {OPERATOR}\nviewer grafana {VIEWER}\n"),
    )
    .expect("written");
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", always(1))], |config| {
        config.admin.tokens_file = tokens.clone();
    })
    .await;
    let send = async |method: &str, path: &str, token: Option<&str>, body: Value| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|value| ("authorization", &**value))
            .collect();
        server
            .admin(method, &format!("/admin/models{path}"), &headers, body)
            .await
    };
    let start = json!({"version": "v2", "share": 0});
    for token in [None, Some("wrong"), Some(&OPERATOR[..16]), Some("")] {
        let reply = send("POST", "/toy/canary?force=true", token, start.clone()).await;
        reply.assert_problem(401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        send("GET", "", token, Value::Null)
            .await
            .assert_problem(401, "unauthorized");
    }
    assert_eq!(send("GET", "", Some(VIEWER), Value::Null).await.status, 200);
    // A stream of events needs a token; a viewer's is enough.
    for (token, status) in [(VIEWER, 200), ("wrong", 401)] {
        let events = server
            .client
            .get(format!("http://{}/admin/events", server.admin))
            .bearer_auth(token)
            .send();
        assert_eq!(events.await.expect("an answer").status(), status);
    }
    send(
        "POST",
        "/toy/canary?force=true",
        Some(VIEWER),
        start.clone(),
    )
    .await
    .assert_problem(403, "viewer_may_not_change");
    send("DELETE", "/toy/versions/v2", Some(VIEWER), json!({}))
        .await
        .assert_problem(403, "viewer_may_not_change");
    assert_eq!(
        send("POST", "/toy/canary?force=true", Some(OPERATOR), start)
            .await
            .status,
        200
    );
    let history = send("GET", "/toy/history", Some(VIEWER), Value::Null)
        .await
        .json();
    assert_eq!(history["entries"][0]["actor"], "anna");
    let log =
        std::fs::read_to_string(server.state_path().join("audit.jsonl")).expect("an audit log");
    assert_eq!(log.matches("\"action\":\"denied\"").count(), 2, "{log}");
    // Prometheus and load balancers have no token.
    assert!(
        server
            .metrics()
            .await
            .contains("reason=\"unauthorized\"} 9")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_guesses_beyond_the_limit_are_not_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, format!("operator anna {OPERATOR}\n")).expect("written");
    let server = TestServer::fleet(vec![("v1", always(0))], |config| {
        config.admin.tokens_file = tokens.clone();
    })
    .await;
    let guess = |guess: usize| {
        let bearer = format!("Bearer guess-{guess}");
        let server = &server;
        async move {
            server
                .admin(
                    "GET",
                    "/admin/models",
                    &[("authorization", &bearer)],
                    Value::Null,
                )
                .await
                .status
        }
    };
    let bearer = format!("Bearer {OPERATOR}");
    let authorization = [("authorization", &*bearer)];
    let right = || server.admin("GET", "/admin/models", &authorization, Value::Null);
    assert_eq!(right().await.status, 200);
    let begun = std::time::Instant::now();
    let guesses = futures_util::future::join_all((0..400).map(guess)).await;
    let count = |wanted| guesses.iter().filter(|status| **status == wanted).count();
    assert_eq!(count(401) + count(429), 400, "{guesses:?}");
    // Over all connections: 20 at once and ten more each second.
    let allowed = 20 + 10 * begun.elapsed().as_secs() as usize + 10;
    assert!((20..=allowed).contains(&count(401)), "{}", count(401));
    // The limit is the address's: whether a token is right isn't looked at.
    let mut answers = vec![];
    loop {
        let reply = right().await;
        answers.push(reply.status);
        match reply.status {
            200 => break,
            _ => reply.assert_problem(429, "too_many_wrong_tokens"),
        }
        assert_eq!(reply.header("retry-after"), "1");
        assert!(begun.elapsed().as_secs() < 60, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_viewers_refused_changes_are_few_short_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    let both = format!("operator anna {OPERATOR}\nviewer grafana {VIEWER}\n");
    std::fs::write(&tokens, both).expect("written");
    let server = TestServer::fleet(vec![("v1", always(0))], |config| {
        config.admin.tokens_file = tokens.clone();
    })
    .await;
    let bearer = format!("Bearer {VIEWER}");
    let path = format!("/admin/models/{}/promote", "x".repeat(8000));
    for _ in 0..100 {
        let authorization = [("authorization", &*bearer)];
        server
            .admin("POST", &path, &authorization, json!({}))
            .await
            .assert_problem(403, "viewer_may_not_change");
    }
    let log = server.state_path().join("audit.jsonl");
    let log = std::fs::read_to_string(log).expect("an audit log");
    assert_eq!(log.lines().count(), 10, "{log}");
    for line in log.lines() {
        assert!(line.len() < 800, "{line}");
    }
    // An operator's reason is refused where it is too long, not cut.
    let bearer = format!("Bearer {OPERATOR}");
    let order = json!({"reason": "x".repeat(1001)});
    let authorization = [("authorization", &*bearer)];
    let reply = server
        .admin(
            "POST",
            "/admin/models/toy/abort?force=true",
            &authorization,
            order,
        )
        .await;
    reply.assert_problem(422, "order_invalid");
    assert!(reply.text.contains("at most 1000"), "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_from_other_sites_are_refused() {
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", always(1))], |_| {}).await;
    for (headers, code) in [
        (vec![("origin", "https://evil.example")], "cross_site"),
        (vec![("sec-fetch-site", "cross-site")], "cross_site"),
        (vec![("host", "rebound.example")], "foreign_host"),
    ] {
        let start = json!({"version": "v2", "share": 0});
        let reply = server
            .admin(
                "POST",
                "/admin/models/toy/canary?force=true",
                &headers,
                start,
            )
            .await;
        reply.assert_problem(403, code);
    }
    assert_eq!(server.deployment().await["generation"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_admin_listener_on_a_public_address_is_refused() {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.admin_listen = ([0, 0, 0, 0], 0).into();
    let prepare = std::sync::Arc::new(stillhouse_engine::prepare);
    let error = App::build(config, None, prepare)
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains("STILLHOUSE_OPERATOR_TOKEN") && error.contains("0.0.0.0"),
        "{error}"
    );
}
