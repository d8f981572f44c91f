//! `stillhouse upload`: a directory or an archive becomes a version of the server's repository.

use std::{fs, path::Path, process::Command};

use bytes::Bytes;
use serde_json::Value;
use stillhouse_engine::scripted::Scripted;

use super::{fails, json, says, server};
use crate::{
    server::TestServer,
    toy::{LABELS, SIDE, golden, write_version},
};

/// A version's directory on the operator's machine.
fn version(folder: &Path, model_bytes: Vec<u8>) -> String {
    write_version(folder, "v1", Bytes::from(model_bytes), golden());
    folder.join("toy/v1").display().to_string()
}

/// The server's list entry for a name.
fn listed(server: &TestServer, name: &str) -> Option<Value> {
    let list = json(server, "versions");
    let versions = list["versions"].as_array().expect("versions");
    versions.iter().find(|one| one["version"] == name).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_and_an_archive_become_versions() {
    let server = server().await;
    let folder = tempfile::tempdir().expect("a folder");
    // More than a pipe buffers, and more than one read returns.
    let directory = version(folder.path(), vec![7; 3_000_000]);
    let text = says(&server, &format!("upload v4 {directory}"));
    assert!(text.contains("toy/v4 is there"), "{text}");
    assert!(text.contains("next: stillhouse canary start v4"), "{text}");

    let archive = folder.path().join("v1.tar");
    let packed = Command::new("tar")
        .args(["-cf", &archive.display().to_string(), "-C", &directory, "."])
        .status();
    assert!(packed.expect("tar").success());
    let printed = json(&server, &format!("upload v5 {}", archive.display()));
    assert_eq!(
        (&printed["version"], &printed["size_bytes"]),
        (&"v5".into(), &3_000_000.into())
    );
    for name in ["v4", "v5"] {
        let one = listed(&server, name).expect("listed");
        assert_eq!(
            (&one["incomplete"], &one["size_bytes"]),
            (&Value::Null, &3_000_000.into())
        );
    }
    let text = says(&server, "history");
    assert!(text.contains("upload_version v5"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_version_is_refused_and_leaves_nothing() {
    let server = server().await;
    let folder = tempfile::tempdir().expect("a folder");
    let directory = version(folder.path(), b"v1".to_vec());
    let error = fails(&server, &format!("upload v1 {directory}"));
    assert!(error.contains("has a version v1 already"), "{error}");
    fs::write(Path::new(&directory).join("model.onnx"), "v0").expect("written");
    let error = fails(&server, &format!("upload v4 {directory}"));
    assert!(error.contains("sha256"), "{error}");
    let error = fails(&server, "upload v4 /nonexistent");
    assert!(error.contains("/nonexistent"), "{error}");
    // It can't be packed completely: the part that was sent must not count as an archive.
    std::os::unix::fs::symlink("/nonexistent", Path::new(&directory).join("zzz")).expect("a link");
    let error = fails(&server, &format!("upload v4 {directory}"));
    assert!(error.contains("No such file"), "{error}");
    assert_eq!(listed(&server, "v4"), None);
}

/// The refusal comes while the client is still sending.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_too_large_gets_that_error() {
    let always = Scripted::new((SIDE * SIDE) as usize, LABELS.len(), |_, rows| {
        Ok(vec![0.0; rows * LABELS.len()])
    });
    let server = TestServer::fleet(vec![("v1", always)], |config| {
        config.loading.max_upload_bytes = 100_000;
    })
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("large.tar");
    fs::write(&file, vec![7; 20_000_000]).expect("written");
    let error = fails(&server, &format!("upload v4 {}", file.display()));
    assert!(error.contains("100000"), "{error}");
}
