//! The state folder on a file system that is really full: every answer is true, and a rollback works.

use std::{fs, path::Path};

use serde_json::{Value, json};
use stillhouse_test_support::SmallDisk;

use crate::{
    rollout::{always, loading::packed},
    server::{Reply, TestServer},
    toy::write_version,
};

/// Everything below the model's folder, by name.
fn repository(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("models/toy")).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    names.sort();
    names
}

async fn upload(server: &TestServer, version: &str) -> Reply {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let bytes = bytes::Bytes::from_static(b"v1");
    write_version(elsewhere.path(), "v1", bytes, vec![]);
    let url = format!(
        "http://{}/admin/models/toy/versions/{version}",
        server.admin
    );
    let archive = packed(&elsewhere.path().join("toy/v1"));
    let sent = server.client.put(url).body(archive).send().await;
    Reply::of(sent.expect("an answer")).await
}

fn versions() -> Vec<(&'static str, stillhouse_engine::scripted::Scripted)> {
    ["v1", "v2", "v3", "t"]
        .into_iter()
        .zip([0, 1, 2, 0])
        .map(|(name, class)| (name, always(class)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_on_a_full_disk_every_answer_is_true() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    fs::create_dir(&state).expect("made");
    let Some(disk) = SmallDisk::mount(&state, 1 << 20) else {
        return;
    };
    let mut server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    let start = json!({"version": "v2", "share": "10%"});
    assert_eq!(server.order("POST", "canary", start).await.status, 200);
    assert_eq!(server.order("POST", "promote", json!({})).await.status, 200);
    let order = json!({"version": "t"});
    assert_eq!(server.order("PUT", "teacher", order).await.status, 200);
    let order = json!({"version": "v3", "share": "10%"});
    assert_eq!(server.order("POST", "canary", order).await.status, 200);
    disk.fill();
    let before = server.deployment().await;
    let there = repository(folder.path());
    // A reason of this length doesn't fit into what is left of the log's last page.
    let reason = "x".repeat(1000);
    let orders = [
        ("PUT", "split", json!({"canary": "20%"})),
        ("PUT", "plan", json!({"plan": "automatic"})),
        ("PUT", "teacher", json!({"version": null})),
        ("POST", "promote", json!({})),
    ];
    let refused = |reply: Reply| {
        reply.assert_problem(503, "journal_unwritable");
        for words in [
            "nothing was changed",
            "No space left",
            state.to_str().expect("UTF-8"),
            "`stillhouse rollback` and `stillhouse canary abort` work all the same",
        ] {
            assert!(reply.text.contains(words), "{}", reply.text);
        }
    };
    for (method, path, mut order) in orders {
        order["reason"] = json!(reason);
        refused(server.order(method, path, order).await);
        assert_eq!(
            server.deployment().await["generation"],
            before["generation"]
        );
    }
    // Short lines may still fit: the log is brought to its page's end.
    let path = "/admin/models/toy/versions/v1";
    let mut deleted = 0;
    loop {
        let reply = upload(&server, &format!("w{deleted}")).await;
        if reply.status != 201 {
            refused(reply);
            break;
        }
        deleted += 1;
    }
    assert_eq!(
        repository(folder.path()).len(),
        there.len() + deleted,
        "as answered"
    );
    // v1 is previous; of the uploaded ones any can be deleted, if there is one.
    let in_use = server.admin("DELETE", path, &[], json!({})).await;
    in_use.assert_problem(409, "version_in_use");
    write_version(
        &folder.path().join("models"),
        "w",
        bytes::Bytes::from_static(b"w"),
        vec![],
    );
    let order = json!({"reason": reason});
    refused(
        server
            .admin("DELETE", "/admin/models/toy/versions/w", &[], order)
            .await,
    );
    assert!(folder.path().join("models/toy/w/manifest.toml").exists());

    // D4: what takes a version out of service is written down all the same.
    assert_eq!(server.order("POST", "abort", json!({})).await.status, 200);
    disk.fill();
    let reply = server.order("POST", "rollback", json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(server.deployment().await["stable"], "v1");
    let now = server.deployment().await;
    server.begin_stop();
    server.ended().await;
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    let after = server.deployment().await;
    for key in [
        "generation",
        "stable",
        "canary",
        "teacher",
        "previous",
        "split",
    ] {
        assert_eq!(after[key], now[key], "{key}");
    }
    assert_ne!(after["stable"], Value::Null);
    disk.free();
    drop(server);
}
