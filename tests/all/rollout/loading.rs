//! Versions are loaded while requests are answered, and unloaded when they are no longer used.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use stillhouse::control::Arrivals;
use stillhouse_engine::EngineError;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{always, favour, scripted};
use crate::{
    server::{Reply, TestServer},
    toy::{SIDE, golden, gray_png, write_version},
};

fn listed<'a>(versions: &'a Value, name: &str) -> &'a Value {
    let all = versions["versions"].as_array().expect("a list");
    all.iter()
        .find(|version| version["version"] == name)
        .unwrap_or(&Value::Null)
}

async fn versions(server: &TestServer) -> Value {
    server
        .admin("GET", "/admin/models/toy/versions", &[], Value::Null)
        .await
        .json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_loaded_used_unloaded_and_deleted() {
    let canary = always(1);
    let census = canary.census();
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", canary)], |config| {
        config.loading.unload_after_seconds = 0;
    })
    .await;
    let before = versions(&server).await;
    assert_eq!(listed(&before, "v1")["roles"], json!(["stable"]));
    assert_eq!(listed(&before, "v2")["loaded"], false);

    server
        .order("POST", "canary", json!({"version": "v2", "share": "100%"}))
        .await;
    assert_eq!(
        listed(&versions(&server).await, "v2")["roles"],
        json!(["canary"])
    );
    assert_eq!(
        server.predict(gray_png(SIDE, 7)).await.json()["version"],
        "v2"
    );
    assert!(server.metrics().await.contains("version=\"v2\""));
    for stage in ["read", "launch"] {
        let series = format!(
            "stillhouse_load_stage_duration_seconds_count{{model=\"toy\",stage=\"{stage}\"}}"
        );
        assert_eq!(server.metric(&series).await, 1.0);
    }

    server.order("POST", "abort", json!({})).await;
    // Unused versions are removed by a separate task; each check is a whole request.
    while versions(&server).await["versions"][1]["loaded"] == true {}
    while census.dropped.load(Relaxed) < census.built.load(Relaxed) {
        tokio::task::yield_now().await;
    }
    assert_eq!(census.dropped_elsewhere.load(Relaxed), 0);
    // Series go with their version, whose last part may end just after its engines.
    while server.metrics().await.contains("version=\"v2\"") {}

    let gone = server
        .admin(
            "DELETE",
            "/admin/models/toy/versions/v2",
            &[],
            json!({"reason": "no good"}),
        )
        .await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    assert_eq!(*listed(&versions(&server).await, "v2"), Value::Null);
    let history = server
        .admin("GET", "/admin/models/toy/history", &[], Value::Null)
        .await
        .json();
    assert_eq!(history["entries"][0]["action"], "delete_version");
    assert_eq!(history["entries"][0]["detail"]["version"], "v2");
}

/// How the kernel schedules the calling thread: 0 is the normal policy, 5 is SCHED_IDLE, which runs only on free cores.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn scheduling() -> u32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("a thread");
    // The thread's name, which may contain anything, ends with the last parenthesis.
    let fields = stat.rsplit_once(')').expect("a name").1;
    let field = fields.split_whitespace().nth(38).expect("a policy");
    field.parse().expect("a number")
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test(flavor = "multi_thread")]
async fn examinations_run_at_low_priority_and_answers_do_not() {
    let runs = Arc::new(Mutex::new(Vec::new()));
    let noted = |class: usize| {
        let runs = runs.clone();
        scripted(move |_, rows| {
            runs.lock().expect("no panic").push(scheduling());
            Ok(favour(class, rows))
        })
    };
    let server = TestServer::fleet(vec![("v1", noted(0)), ("v2", noted(1))], |_| {}).await;
    let take = || std::mem::take(&mut *runs.lock().expect("no panic"));
    let at_start = take();
    assert!(
        !at_start.is_empty() && at_start.iter().all(|run| *run == 0),
        "{at_start:?}"
    );

    server
        .order("POST", "canary", json!({"version": "v2", "share": "100%"}))
        .await;
    let beside_traffic = take();
    assert_eq!(beside_traffic[0], 5, "{beside_traffic:?}");

    server.predict(gray_png(SIDE, 7)).await;
    assert_eq!(take(), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_loaded_is_refused_and_the_old_one_serves() {
    let broken = scripted(|_, _| Err(EngineError::Run("no luck at all".into())));
    let panicking = scripted(|_, _| panic!("a bug"));
    let short = scripted(|_, rows| Ok(favour(1, rows)[1..].to_vec()));
    let fleet = vec![
        ("v1", always(0)),
        ("broken", broken),
        ("panicking", panicking),
        ("short", short),
    ];
    let server = TestServer::fleet(fleet, |_| {}).await;
    for version in ["broken", "panicking"] {
        let reply = server
            .order("POST", "canary", json!({"version": version, "share": 100}))
            .await;
        reply.assert_problem(422, "version_refused");
        assert!(reply.text.contains(version), "{}", reply.text);
    }
    assert_eq!(
        server
            .metric("stillhouse_loads_total{model=\"toy\",outcome=\"refused\"}")
            .await,
        2.0
    );
    let deployment = server.deployment().await;
    assert_eq!(
        (&deployment["generation"], &deployment["canary"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        server.predict(gray_png(SIDE, 7)).await.json()["version"],
        "v1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_orders_for_one_version_load_it_once() {
    let canary = always(1);
    let census = canary.census();
    let server = TestServer::fleet(vec![("v1", always(0)), ("v2", canary)], |_| {}).await;
    let load = || server.admin("POST", "/admin/models/toy/versions/v2/load", &[], json!({}));
    let replies = futures_util::future::join_all((0..4).map(|_| load())).await;
    assert!(
        replies.iter().all(|reply| reply.status == 200),
        "{}",
        replies[0].text
    );
    // One for the examination, one for the worker.
    assert_eq!(census.built.load(Relaxed), 2);
    assert_eq!(
        server
            .metric("stillhouse_loads_total{model=\"toy\",outcome=\"ok\"}")
            .await,
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_appears_gets_its_configured_role() {
    for (on_arrival, role, share) in [
        (Arrivals::Load, json!([]), 0),
        (Arrivals::DarkCanary, json!(["canary"]), 0),
        (Arrivals::Canary, json!(["canary"]), 250),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = TestServer::fleet_in(folder.path(), vec![("v1", always(0))], |config| {
            let toy = config.models.entry("toy".into()).or_default();
            toy.on_arrival = Some(on_arrival);
            toy.arrival_share = Some("2.5%".parse().expect("a share"));
        })
        .await;
        // The script knows only the bytes of v1; another version may have the same network.
        let models = folder.path().join("models");
        write_version(&models, "v2", Bytes::from_static(b"v1"), vec![]);
        let arrived = loop {
            let versions = versions(&server).await;
            let arrived = listed(&versions, "v2").clone();
            if arrived["loaded"] == true && arrived["roles"] == role {
                break arrived;
            }
        };
        assert_eq!(arrived["incomplete"], Value::Null);
        assert_eq!(server.deployment().await["split"]["canary"], share);
    }
}

/// An archive of a version's directory, made by the command `tar`.
pub(crate) fn packed(folder: &Path) -> Vec<u8> {
    let tar = Command::new("tar")
        .arg("-C")
        .arg(folder)
        .args(["-czf", "-", "."])
        .output();
    let tar = tar.expect("tar");
    assert!(
        tar.status.success(),
        "{}",
        String::from_utf8_lossy(&tar.stderr)
    );
    tar.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_version_is_there_and_a_broken_one_is_not() {
    let server = TestServer::fleet(vec![("v1", always(0))], |_| {}).await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    write_version(elsewhere.path(), "v1", Bytes::from_static(b"v1"), golden());
    let archive = packed(&elsewhere.path().join("toy/v1"));
    let put = async |version: &str, body: Vec<u8>| {
        let url = format!(
            "http://{}/admin/models/toy/versions/{version}",
            server.admin
        );
        Reply::of(
            server
                .client
                .put(url)
                .body(body)
                .send()
                .await
                .expect("an answer"),
        )
        .await
    };
    let uploaded = put("v2", archive.clone()).await;
    assert_eq!(uploaded.status, 201, "{}", uploaded.text);
    assert_eq!(uploaded.json()["golden_samples"], 3);
    assert_eq!(
        listed(&versions(&server).await, "v2")["incomplete"],
        Value::Null
    );

    put("v2", archive.clone())
        .await
        .assert_problem(409, "version_exists");
    put("v3", archive[..archive.len() / 2].to_vec())
        .await
        .assert_problem(422, "version_invalid");
    put("v3", b"no archive".to_vec())
        .await
        .assert_problem(422, "version_invalid");
    put("..%2fv3", archive.clone())
        .await
        .assert_problem(422, "name_invalid");
    let mut damaged = elsewhere.path().join("toy/v1/model.onnx");
    std::fs::write(&damaged, b"v0").expect("written");
    damaged.pop();
    let reply = put("v3", packed(&damaged)).await;
    reply.assert_problem(422, "version_invalid");
    assert!(reply.text.contains("sha256"), "{}", reply.text);
    assert_eq!(*listed(&versions(&server).await, "v3"), Value::Null);
    let history = server
        .admin("GET", "/admin/models/toy/history", &[], Value::Null)
        .await
        .json();
    assert_eq!(history["entries"][0]["action"], "upload_version");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_ends_and_leaves_nothing() {
    let mut models = PathBuf::new();
    let server = TestServer::fleet(vec![("v1", always(0))], |config| {
        models.clone_from(&config.repository.path);
    })
    .await;
    let mut line = TcpStream::connect(server.admin).await.expect("connects");
    let head = "PUT /admin/models/toy/versions/v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n";
    line.write_all(head.as_bytes()).await.expect("writes");
    line.write_all(&[0; 500]).await.expect("writes");
    // This request is in flight as well.
    server.until("stillhouse_requests_in_flight", 2.0).await;
    line.shutdown().await.expect("hangs up");
    let ended = async { while server.metric("stillhouse_requests_in_flight").await > 1.0 {} };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("it ends");
    let left = std::fs::read_dir(models.join("toy")).expect("a folder");
    let hidden = left.filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.as_encoded_bytes().starts_with(b".")
    });
    assert_eq!(hidden.count(), 0, "what had come is gone");
    assert_eq!(*listed(&versions(&server).await, "v2"), Value::Null);
}
