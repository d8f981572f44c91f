//! A deployment outlives the process; an order that can't be logged isn't carried out.

use std::fs;

use serde_json::{Value, json};
use stillhouse::{app::App, config::Config};
use stillhouse_engine::scripted::Scripted;

use super::always;
use crate::{
    server::TestServer,
    toy::{SIDE, golden, gray_png, network, write_version},
};

fn versions() -> Vec<(&'static str, Scripted)> {
    vec![("v1", always(0)), ("v2", always(1)), ("v3", always(2))]
}

/// The part of the deployment that must be the same before and after.
async fn deployment(server: &TestServer) -> Value {
    let mut deployment = server.deployment().await;
    for key in ["seats", "sample_ratio_log_e"] {
        deployment.as_object_mut().expect("an object").remove(key);
    }
    deployment
}

async fn stop(mut server: TestServer) {
    server.begin_stop();
    server.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_comes_back_with_the_same_deployment() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    assert!(
        !folder.path().join("state").exists(),
        "nothing is written before the first change"
    );
    for (method, path, body) in [
        ("POST", "canary", json!({"version": "v2", "share": "10%"})),
        ("POST", "promote", json!({})),
        ("PUT", "teacher", json!({"version": "v1"})),
        ("POST", "canary", json!({"version": "v3", "share": 2500})),
        ("PUT", "split", json!({"teacher": "5%"})),
    ] {
        let reply = server.order(method, path, body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
    let before = deployment(&server).await;
    assert_eq!(before["generation"], 6);
    stop(server).await;

    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    assert_eq!(deployment(&server).await, before);
    let answer = server.predict(gray_png(SIDE, 7)).await.json();
    assert_eq!(answer["generation"], 6);
    // The next change continues from there.
    assert_eq!(
        server.order("POST", "abort", json!({})).await.json()["after"]["generation"],
        7
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_canary_empties_its_role_and_stable_serves() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    server
        .order("POST", "canary", json!({"version": "v2", "share": "10%"}))
        .await;
    stop(server).await;
    fs::remove_dir_all(folder.path().join("models/toy/v2")).expect("removed");

    let left = vec![("v1", always(0))];
    let server = TestServer::fleet_in(folder.path(), left, |_| {}).await;
    let after = deployment(&server).await;
    assert_eq!(
        (&after["canary"], &after["generation"]),
        (&Value::Null, &json!(3))
    );
    assert_eq!(after["split"]["canary"], 0);
    assert_eq!(
        server.predict(gray_png(SIDE, 7)).await.json()["version"],
        "v1"
    );
    let history = server
        .admin("GET", "/admin/models/toy/history", &[], Value::Null)
        .await
        .json();
    assert_eq!(history["entries"][0]["action"], "lost_version");
    assert_eq!(history["entries"][0]["actor"], "stillhouse");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_logged_is_not_carried_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    // Tests may run as root, which permissions don't stop; a file at the folder's path does.
    fs::write(folder.path().join("state"), "in the way").expect("written");
    let start = json!({"version": "v2", "share": "100%"});
    let reply = server.order("POST", "canary", start.clone()).await;
    reply.assert_problem(503, "journal_unwritable");
    let deployment = server.deployment().await;
    assert_eq!(
        (&deployment["generation"], &deployment["canary"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        server.predict(gray_png(SIDE, 7)).await.json()["version"],
        "v1"
    );

    // As soon as the log can be written, the order is carried out; also under the key of the failed order.
    fs::remove_file(folder.path().join("state")).expect("removed");
    let reply = server.order("POST", "canary", start).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_teacher_that_is_not_there_ends_a_first_start() {
    let folder = tempfile::tempdir().expect("a folder");
    write_version(folder.path(), "v1", network(), golden());
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.admin_listen = config.server.listen;
    config.repository.path = folder.path().into();
    config.control.state_path = folder.path().join("state");
    // The child process would be this program, the tests.
    config.loading.child_process = false;
    let toy = config.models.entry("toy".into()).or_default();
    toy.stable = "v1".into();
    toy.teacher = "v7".into();
    let prepare = std::sync::Arc::new(stillhouse_engine::prepare);
    let error = App::build(config, None, prepare)
        .await
        .err()
        .expect("refused");
    let error = format!("{error:#}");
    assert!(
        error.contains("models.toy.teacher is `v7`, and there is no such version"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_what_is_not_on_disk_gets_no_role() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    let models = folder.path().join("models");
    let start = json!({"version": "v2", "share": "10%"});
    assert_eq!(server.order("POST", "canary", start).await.status, 200);
    assert_eq!(server.order("POST", "promote", json!({})).await.status, 200);
    // v1 is previous and loaded: a rollback would succeed, and the next start fail.
    fs::rename(models.join("toy/v1"), models.join("gone")).expect("moved");
    let reply = server.order("POST", "rollback", json!({})).await;
    reply.assert_problem(404, "unknown_version");
    assert!(
        reply
            .text
            .contains("toy has no version v1 on disk; it has v2, v3"),
        "{}",
        reply.text
    );
    assert_eq!(server.deployment().await["stable"], "v2");
    // Another network under its name is not the version that is loaded.
    write_version(&models, "v1", bytes::Bytes::from_static(b"v2"), vec![]);
    let reply = server.order("POST", "rollback", json!({})).await;
    reply.assert_problem(409, "version_files_replaced");
    fs::remove_dir_all(models.join("toy/v1")).expect("removed");
    fs::rename(models.join("gone"), models.join("toy/v1")).expect("moved back");
    assert_eq!(
        server.order("POST", "rollback", json!({})).await.status,
        200
    );

    // The same for a canary that is to become stable; taking it out is always possible.
    let start = json!({"version": "v3", "share": "10%"});
    assert_eq!(server.order("POST", "canary", start).await.status, 200);
    fs::rename(models.join("toy/v3"), models.join("gone")).expect("moved");
    let reply = server.order("POST", "promote", json!({})).await;
    reply.assert_problem(404, "unknown_version");
    assert_eq!(server.order("POST", "abort", json!({})).await.status, 200);
    let before = deployment(&server).await;
    stop(server).await;
    let left = vec![("v1", always(0)), ("v2", always(1))];
    let server = TestServer::fleet_in(folder.path(), left, |_| {}).await;
    assert_eq!(
        deployment(&server).await,
        before,
        "and the next start serves it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_sick_folders_keep_no_healthy_one_from_starting() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    for path in ["empty", "half/v1", "toy/v8", "toy/V2"] {
        fs::create_dir_all(models.join(path)).expect("made");
    }
    fs::write(models.join("half/v1/manifest.toml"), "schema = 1").expect("written");
    // Complete by its names and lengths, and damaged: the start finds out.
    write_version(&models, "v1", bytes::Bytes::from_static(b"v1"), vec![]);
    fs::create_dir(models.join("damaged")).expect("made");
    for (from, to) in [("labels.txt", "labels.txt"), ("v1", "v1")] {
        let copied = std::process::Command::new("cp")
            .arg("-r")
            .args([
                models.join("toy").join(from),
                models.join("damaged").join(to),
            ])
            .status();
        assert!(copied.expect("cp").success());
    }
    fs::write(models.join("damaged/v1/model.onnx"), "v0").expect("written");
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    let answer = server.predict(gray_png(SIDE, 7)).await;
    assert_eq!(answer.json()["version"], "v1");
    let listed = server.get("/models").await.json();
    let listed = listed["models"].as_array().expect("a list");
    let names: Vec<&Value> = listed.iter().map(|model| &model["model"]).collect();
    assert_eq!(names, ["toy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_sick_teacher_leaves_its_role_empty_until_it_is_well() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    let configure = |config: &mut Config| {
        config.models.entry("toy".into()).or_default().teacher = "t".into();
    };
    let stable = || vec![("v1", always(0))];
    fs::create_dir_all(models.join("toy/t")).expect("made");
    for half_copied in [true, false] {
        if !half_copied {
            // Complete, and no engine can load it.
            fs::remove_dir(models.join("toy/t")).expect("removed");
            write_version(&models, "t", bytes::Bytes::from_static(b"damaged"), vec![]);
        }
        let server = TestServer::fleet_in(folder.path(), stable(), configure).await;
        let now = server.deployment().await;
        assert_eq!(
            (&now["teacher"], &now["generation"]),
            (&Value::Null, &json!(1))
        );
        let answer = server.predict(gray_png(SIDE, 7)).await;
        assert_eq!(answer.json()["version"], "v1");
        stop(server).await;
    }
    fs::remove_dir_all(models.join("toy/t")).expect("removed");
    let versions = vec![("v1", always(0)), ("t", always(0))];
    let server = TestServer::fleet_in(folder.path(), versions, configure).await;
    assert_eq!(server.deployment().await["teacher"], "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_stable_version_that_is_gone_ends_the_start_with_what_to_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = TestServer::fleet_in(folder.path(), versions(), |_| {}).await;
    let start = json!({"version": "v2", "share": "10%"});
    assert_eq!(server.order("POST", "canary", start).await.status, 200);
    assert_eq!(server.order("POST", "promote", json!({})).await.status, 200);
    stop(server).await;
    let models = folder.path().join("models");
    fs::remove_dir_all(models.join("toy/v2")).expect("removed");
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.admin_listen = config.server.listen;
    config.repository.path = models.clone();
    config.control.state_path = folder.path().join("state");
    config.models.entry("toy".into()).or_default().stable = "v1".into();
    let prepare = std::sync::Arc::new(stillhouse_engine::prepare);
    let error = App::build(config, None, prepare).await.err();
    let error = format!("{:#}", error.expect("refused"));
    let state = folder.path().join("state").display().to_string();
    for words in [
        "toy/v2 can't be served",
        &format!("put {} back", models.join("toy/v2").display()),
        "(v1, v3)",
        &format!("mv {state} {state}.old && stillhouse serve --set models.toy.stable=v3"),
    ] {
        assert!(error.contains(words), "{error} must say {words}");
    }
}
