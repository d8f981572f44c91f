//! C6: more connections than the process may have files.

use std::process::Command;

use super::{child::Limited, wire::connect};
use crate::toy::{SIDE, gray_png};

#[tokio::test(flavor = "multi_thread")]
async fn c6_a_flood_leaves_descriptors_to_operators_and_the_state() {
    for (files, connections) in [(1024, 896), (256, 160)] {
        let limit = format!("ulimit -n {files}");
        let server = Limited::start(&limit, &["server.threads=2"]);
        let mut flood = Vec::new();
        // Requests that wait for their bodies can't be distinguished from honest ones.
        let request = super::wire::head("/predict", "", 1000);
        for _ in 0..files + 200 {
            let mut stream = connect(server.data).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, &request).await;
            flood.push(stream);
        }
        let open = server
            .metric("stillhouse_connections{listener=\"data\"}")
            .await;
        assert!(open <= f64::from(connections), "{open} of {files}");
        let failed = server
            .metric("stillhouse_accept_errors_total{listener=\"data\"}")
            .await;
        assert_eq!(failed, 0.0, "{files}");
        assert!(server.health());
        assert_eq!(server.admin("GET", "/readyz", "").await.0, 200);
        let start = "{\"version\":\"v2\",\"share\":\"10%\",\"reason\":\"under flood\"}";
        let path = "/admin/models/toy/canary?force=true";
        assert_eq!(server.admin("POST", path, start).await.0, 200, "{files}");
        assert_eq!(
            server
                .admin("POST", "/admin/models/toy/promote?force=true", "")
                .await
                .0,
            200
        );
        drop(flood);
        // Until the server has noticed, it has no room.
        while server
            .metric("stillhouse_connections{listener=\"data\"}")
            .await
            >= f64::from(connections)
        {}
        let predict = server
            .client
            .post(format!("http://{}/predict", server.data));
        let answer = predict.body(gray_png(SIDE, 250)).send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
}

#[test]
fn c6_too_few_descriptors_are_refused_with_a_reason() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 60 && exec \"$0\" serve --models /nowhere"])
        .arg(env!("CARGO_BIN_EXE_stillhouse"))
        .current_dir(std::env::temp_dir())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.contains("ulimit -n") && text.contains("60 files"),
        "{text}"
    );
}
