//! Versions that are deleted or uploaded: this is logged first, and never happens to a version that is being loaded.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, mpsc},
};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{always, favour, loading::packed, scripted};
use crate::{
    server::{Reply, TestServer},
    toy::write_version,
};

async fn delete(server: &TestServer, version: &str) -> Reply {
    let path = format!("/admin/models/toy/versions/{version}");
    server.admin("DELETE", &path, &[], json!({})).await
}

async fn upload(server: &TestServer, version: &str, archive: Vec<u8>) -> Reply {
    let url = format!(
        "http://{}/admin/models/toy/versions/{version}",
        server.admin
    );
    let sent = server.client.put(url).body(archive).send().await;
    Reply::of(sent.expect("an answer")).await
}

/// The archive of a version with the same network as `v1`.
fn archive() -> Vec<u8> {
    let elsewhere = tempfile::tempdir().expect("a folder");
    write_version(elsewhere.path(), "v1", Bytes::from_static(b"v1"), vec![]);
    packed(&elsewhere.path().join("toy/v1"))
}

/// Makes every write to the log fail until the returned file is removed; permissions would not stop root.
fn block_journal(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("state");
    fs::write(&path, "in the way").expect("written");
    path
}

async fn actions(server: &TestServer) -> Vec<String> {
    let path = "/admin/models/toy/history";
    let history = server.admin("GET", path, &[], Value::Null).await.json();
    let entries = history["entries"].as_array().expect("a list");
    let action = |entry: &Value| entry["action"].as_str().expect("text").to_owned();
    entries.iter().map(action).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_cannot_be_logged_removes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = vec![("v1", always(0)), ("v2", always(1))];
    let server = TestServer::fleet_in(folder.path(), versions, |_| {}).await;
    let load = "/admin/models/toy/versions/v2/load";
    assert_eq!(server.admin("POST", load, &[], json!({})).await.status, 200);
    let blocked = block_journal(folder.path());
    let reply = delete(&server, "v2").await;
    reply.assert_problem(503, "journal_unwritable");
    assert!(reply.text.contains("nothing was changed"), "{}", reply.text);
    let models = folder.path().join("models/toy");
    assert!(
        models.join("v2/manifest.toml").exists(),
        "v2 is still there"
    );
    let hidden = fs::read_dir(&models).expect("a folder").filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.as_encoded_bytes().starts_with(b".")
    });
    assert_eq!(hidden.count(), 0, "nothing is left beside it");
    let path = "/admin/models/toy/versions";
    let listed = server.admin("GET", path, &[], Value::Null).await.json();
    assert_eq!(listed["versions"][1]["loaded"], true, "{listed:#}");

    fs::remove_file(blocked).expect("removed");
    assert_eq!(delete(&server, "v2").await.status, 204);
    assert!(!models.join("v2").exists());
    assert_eq!(actions(&server).await, ["delete_version"]);
    delete(&server, "v2")
        .await
        .assert_problem(404, "version_missing");
    assert_eq!(
        actions(&server).await,
        ["delete_version"],
        "what isn't there isn't written down as deleted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_cannot_be_logged_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let versions = vec![("v1", always(0))];
    let server = TestServer::fleet_in(folder.path(), versions, |_| {}).await;
    let archive = archive();
    let blocked = block_journal(folder.path());
    let reply = upload(&server, "v2", archive.clone()).await;
    reply.assert_problem(503, "journal_unwritable");
    let mut left: Vec<_> = fs::read_dir(folder.path().join("models/toy"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["labels.txt", "v1"]);

    fs::remove_file(blocked).expect("removed");
    let reply = upload(&server, "v2", archive).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    assert_eq!(actions(&server).await, ["upload_version"]);
}

/// A version whose first run waits until the test releases it.
struct Paused {
    running: tokio::sync::mpsc::UnboundedReceiver<()>,
    go_on: mpsc::Sender<()>,
}

fn paused(class: usize) -> (stillhouse_engine::scripted::Scripted, Paused) {
    let (runs, running) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, wait) = mpsc::channel();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let script = scripted(move |_, rows| {
        if let Some(wait) = wait.lock().expect("no panic").take() {
            let _ = runs.send(());
            let _ = wait.recv();
        }
        Ok(favour(class, rows))
    });
    (script, Paused { running, go_on })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_deleted_while_it_is_loaded_is_not_deployed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, mut pause) = paused(1);
    let versions = vec![("v1", always(0)), ("v2", script)];
    let server = TestServer::fleet_in(folder.path(), versions, |_| {}).await;
    let order = server.order("POST", "canary", json!({"version": "v2", "share": "10%"}));
    let delete = async {
        pause.running.recv().await.expect("it is being loaded");
        let deleted = delete(&server, "v2").await;
        pause.go_on.send(()).expect("it waits");
        deleted
    };
    let (ordered, deleted) = tokio::join!(order, delete);
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    ordered.assert_problem(409, "version_changed_while_loading");
    assert_eq!(server.deployment().await["canary"], Value::Null);
    let loaded = server
        .metric("stillhouse_loads_total{model=\"toy\",outcome=\"ok\"}")
        .await;
    assert_eq!(loaded, 0.0);
    assert!(
        !server.metrics().await.contains("version=\"v2\""),
        "no series of it are left"
    );
    assert_eq!(actions(&server).await, ["delete_version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_replaced_while_it_is_loaded_is_not_deployed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, mut pause) = paused(1);
    let versions = vec![("v1", always(0)), ("v2", script)];
    let server = TestServer::fleet_in(folder.path(), versions, |_| {}).await;
    let order = server.order("POST", "canary", json!({"version": "v2", "share": "10%"}));
    let exchange = async {
        pause.running.recv().await.expect("it is being loaded");
        assert_eq!(delete(&server, "v2").await.status, 204);
        let uploaded = upload(&server, "v2", archive()).await;
        assert_eq!(uploaded.status, 201, "{}", uploaded.text);
        pause.go_on.send(()).expect("it waits");
    };
    let (ordered, ()) = tokio::join!(order, exchange);
    ordered.assert_problem(409, "version_changed_while_loading");
    let order = server.order("POST", "canary", json!({"version": "v2", "share": "10%"}));
    assert_eq!(order.await.status, 200, "what is there now can be loaded");
}
