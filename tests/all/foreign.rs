//! Files of other kinds, given in place of an ONNX network or a packed version.

use std::{fs, process::Command};

use crate::{
    rollout::always,
    server::{Reply, TestServer},
    toy::network,
};

/// Files, each with the words that name it.
fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let zip = |name: &str, content: &[u8]| {
        let mut head = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        head.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
        head.extend([0, 0]);
        head.extend(name.as_bytes());
        head.extend(content);
        head
    };
    let safetensors = [&40_u64.to_le_bytes()[..], b"{\"weight\":{}}"].concat();
    vec![
        ("a.pt", zip("a/data.pkl", b"\x80\x02"), "a PyTorch file"),
        (
            "a.pth",
            b"\x80\x02\x8a\x0al\xfc\x9cF".into(),
            "a pickled Python object",
        ),
        ("a.h5", b"\x89HDF\r\n\x1a\n\0".into(), "a Keras file"),
        (
            "a.tflite",
            b"\x1c\0\0\0TFL3\x14\0".into(),
            "a TensorFlow Lite file",
        ),
        ("a.safetensors", safetensors, "a safetensors file"),
        (
            "a.onnx",
            b"<!DOCTYPE html>\n<html>".into(),
            "a web page (HTML)",
        ),
    ]
}

#[test]
fn b4_import_and_serve_name_what_they_are_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("labels.txt"), "a\nb\n").expect("written");
    for (name, bytes, words) in files() {
        fs::write(path(name), bytes).expect("written");
        let import = ["import", name, "--model", "m", "--version", "v"];
        let serve = ["serve", name];
        for verb in [&import[..], &serve] {
            let output = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
                .args(verb)
                .args(["--labels", "labels.txt"])
                .current_dir(folder.path())
                .output()
                .expect("runs");
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{name}");
            assert!(text.contains(words), "{name}: {text}");
            assert!(text.contains("docs/bring-your-own.md"), "{name}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b4_an_upload_of_another_kind_is_named() {
    let server = TestServer::fleet(vec![("v1", always(0))], |_| {}).await;
    let put = async |body: Vec<u8>| {
        let url = format!("http://{}/admin/models/toy/versions/v2", server.admin);
        let sent = server.client.put(url).body(body).send().await;
        Reply::of(sent.expect("an answer")).await
    };
    for (name, bytes, words) in files() {
        let reply = put(bytes).await;
        reply.assert_problem(422, "version_invalid");
        assert!(reply.text.contains(words), "{name}: {}", reply.text);
    }
    let reply = put(network().to_vec()).await;
    reply.assert_problem(422, "version_invalid");
    assert!(reply.text.contains("stillhouse import"), "{}", reply.text);
}
