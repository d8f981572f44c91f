//! C7: uploads that stand still.

use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::wire::connect;
use crate::{
    server::TestServer,
    toy::{SIDE, brightness, gray_png},
};
use stillhouse_engine::scripted::Scripted;

#[tokio::test(flavor = "multi_thread")]
async fn c7_idle_uploads_leave_photographs_and_orders_alone() {
    let script = || Scripted::new((SIDE * SIDE) as usize, 3, brightness);
    let versions = vec![("v1", script()), ("v2", script())];
    let server = TestServer::fleet(versions, |config| {
        config.connections.max_admin_connections = 600;
    })
    .await;
    let mut idle = Vec::new();
    for number in 0..512 {
        let mut stream = connect(server.admin).await;
        let head = format!(
            "PUT /admin/models/toy/versions/up{number} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nhalf"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        idle.push(stream);
    }
    let refused = "stillhouse_refusals_total{reason=\"too_many_uploads\"}";
    server.until(refused, 504.0).await;
    // Larger than what is decoded in place.
    let photograph = gray_png(600, 250);
    let reply = server.predict(photograph).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let start = json!({ "version": "v2", "share": "10%" });
    let reply = server.order("POST", "canary", start).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let reply = server.order("POST", "abort", json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(
        server.metric(refused).await,
        504.0,
        "the first eight still have their places"
    );
}
