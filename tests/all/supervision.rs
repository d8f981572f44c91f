//! Background tasks that panic: restarted and counted, or the server reports it and ends.

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{rollout::always, server::TestServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_judge_that_panics_is_restarted_and_the_evidence_is_marked_as_lost() {
    let versions = vec![("v1", always(0)), ("judge-panics-once", always(1))];
    let server = TestServer::fleet(versions, |_| {}).await;
    let restarts = "stillhouse_background_task_restarts_total{task=\"judge\"}";
    assert!(
        server.metrics().await.contains(restarts),
        "shown before the first"
    );
    fail::cfg("judge::look::judge-panics-once", "1*panic").expect("an action");
    let start = json!({"version": "judge-panics-once", "share": "10%"});
    let reply = server.order("POST", "canary", start).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    server.until(restarts, 1.0).await;
    // The judge is restarted, and reports that some evidence may be lost.
    server
        .until("stillhouse_evidence_lost{model=\"toy\"}", 1.0)
        .await;
    let path = "/admin/models/toy/evidence";
    let evidence = server.admin("GET", path, &[], Value::Null).await.json();
    assert_eq!(evidence["on_trial"]["evidence_lost"], true, "{evidence:#}");
    assert_eq!(server.metric(restarts).await, 1.0);
    fail::remove("judge::look::judge-panics-once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_fails_ends_the_server_with_an_error() {
    for plane in ["data", "admin"] {
        let server = TestServer::fleet(vec![("v1", always(0))], |_| {}).await;
        let address = match plane {
            "data" => server.data,
            _ => server.admin,
        };
        let point = format!("listener::accepted::{}", address.port());
        fail::cfg(point.as_str(), "panic").expect("an action");
        let connection = TcpStream::connect(address).await;
        let error = server.failure().await;
        assert!(error.contains(&format!("`{plane}_listener`")), "{error}");
        drop(connection);
        fail::remove(point.as_str());
    }
}
