//! The same server on every available engine; versions that fail a check run on none.

use std::{fs, path::Path, sync::Arc};

use stillhouse::{app::App, config::Config};
use stillhouse_engine::Backend;

use crate::{
    server::TestServer,
    toy::{LABELS, SIDE, golden, gray_png, write},
};

/// The back ends that can run here; prints which can't.
pub(crate) fn backends() -> Vec<Backend> {
    let here = |backend: &Backend| {
        let library = stillhouse_engine::find_library(None);
        let there = *backend != Backend::Ort || library.is_some();
        if !there {
            println!(
                "skipped: onnxruntime, whose library was not found (scripts/onnxruntime.sh fetches it)"
            );
        }
        there
    };
    Backend::compiled_in()
        .iter()
        .copied()
        .filter(here)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_engine_answers_alone_and_in_batches() {
    for backend in backends() {
        let server = TestServer::real(backend, |config| config.batch.queue = 300).await;
        let asks = (0..300).map(|index| {
            let server = &server;
            async move {
                let reply = server
                    .predict(gray_png(SIDE, [0, 128, 255][index % 3]))
                    .await;
                assert_eq!(reply.status, 200, "{}", reply.text);
                assert_eq!(reply.json()["predictions"][0]["label"], LABELS[index % 3]);
            }
        });
        futures_util::future::join_all(asks).await;
        let engine = server.get("/models/toy").await.json()["roles"][0]["engine"].to_string();
        assert!(engine.contains(&backend.to_string()), "{engine}");
    }
}

/// The error of a start with a repository that was tampered with; `None` if it starts.
async fn refusal(
    tamper: impl FnOnce(&Path),
    configure: impl FnOnce(&mut Config),
) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), golden());
    tamper(folder.path());
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.admin_listen = ([127, 0, 0, 1], 0).into();
    config.repository.path = folder.path().to_owned();
    config.engine.backend = "tract".into();
    // The child process would be this program, the tests.
    config.loading.child_process = false;
    configure(&mut config);
    let app = App::build(config, None, Arc::new(stillhouse_engine::prepare)).await;
    app.err().map(|error| format!("{error:#}"))
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{from} in {text}");
    fs::write(path, text.replace(from, to)).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_be_trusted_is_never_served() {
    assert_eq!(refusal(|_| (), |_| ()).await, None);
    let manifest = |from: &'static str, to: &'static str| {
        move |root: &Path| edit(&root.join("toy/v1/manifest.toml"), from, to)
    };
    let flipped = |root: &Path| {
        let path = root.join("toy/v1/model.onnx");
        let mut bytes = fs::read(&path).expect("readable");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path, bytes).expect("written");
    };
    let another = |root: &Path| {
        fs::write(root.join("toy/v1/golden/luma-0.json"), "[1.0, 2.0, 3.0]").expect("written");
    };
    let labels = |root: &Path| fs::write(root.join("toy/labels.txt"), "a\nb\n").expect("written");
    let half = |root: &Path| fs::remove_file(root.join("toy/v1/model.onnx")).expect("removed");
    let none = |_: &mut Config| ();
    for (name, found, words) in [
        (
            "a flipped bit",
            refusal(flipped, none).await,
            vec!["sha256"],
        ),
        (
            "other outputs",
            refusal(another, none).await,
            vec!["luma-0"],
        ),
        ("fewer labels", refusal(labels, none).await, vec!["2", "3"]),
        (
            "half a version",
            refusal(half, none).await,
            vec!["no complete version"],
        ),
        (
            "another size",
            refusal(manifest("width = 4", "width = 5"), none).await,
            vec!["[1, 4, 5]", "[1, 4, 4]"],
        ),
        (
            "another input",
            refusal(manifest("name = \"input\"", "name = \"pixels\""), none).await,
            vec!["pixels", "input"],
        ),
        (
            "another output",
            refusal(manifest("name = \"output\"", "name = \"scores\""), none).await,
            vec!["scores", "output"],
        ),
        (
            "another kind",
            refusal(manifest("\"logits\"", "\"probabilities\""), none).await,
            vec!["probabilities"],
        ),
        (
            "a typing error",
            refusal(manifest("width", "widht"), none).await,
            vec!["widht", "width"],
        ),
        (
            "a later format",
            refusal(manifest("schema = 1", "schema = 2"), none).await,
            vec!["2"],
        ),
        (
            "an unknown model",
            refusal(
                |_| (),
                |config| {
                    config.models.insert("pets".into(), Default::default());
                },
            )
            .await,
            vec!["pets"],
        ),
        (
            "an unknown engine",
            refusal(|_| (), |config| config.engine.backend = "tensorflow".into()).await,
            vec!["tensorflow", "onnxruntime"],
        ),
        (
            "a device of another",
            refusal(|_| (), |config| config.engine.device = "cuda:0".into()).await,
            vec!["cuda:0", "cpu"],
        ),
    ] {
        let Some(error) = found else {
            panic!("{name}: served")
        };
        for word in words {
            assert!(error.contains(word), "{name}: `{error}` names `{word}`");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_versions_without_a_choice_are_an_error_with_the_next_step() {
    let twice = |root: &Path| {
        let copy = |from: &Path, to: &Path| {
            fs::create_dir_all(to.join("golden")).expect("made");
            for file in ["manifest.toml", "model.onnx"] {
                fs::copy(from.join(file), to.join(file)).expect("copied");
            }
            for entry in fs::read_dir(from.join("golden")).expect("readable") {
                let entry = entry.expect("readable");
                fs::copy(entry.path(), to.join("golden").join(entry.file_name())).expect("copied");
            }
        };
        copy(&root.join("toy/v1"), &root.join("toy/v2"));
    };
    let error = refusal(twice, |_| ()).await.expect("refused");
    assert!(error.contains("[models.toy]\nstable = \"v2\""), "{error}");
    let chosen = refusal(twice, |config| {
        config.models.entry("toy".into()).or_default().stable = "v1".into();
    });
    assert_eq!(chosen.await, None);
}
