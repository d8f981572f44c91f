//! The models that come with the repository, as a user finds them in a fresh clone.

use std::{fs, path::Path, process::Command};

use stillhouse::{
    config::{Config, DEFAULT_FILE},
    import::{reference::watch_inputs, validation::survey},
    store::{Repository, manifest::Reference},
};

use crate::{engines::backends, server::TestServer};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `T-shirt/top` → `t-shirt-top`, as the sample pictures are named.
fn slug(label: &str) -> String {
    label.to_lowercase().replace(['/', ' '], "-")
}

#[test]
fn every_version_is_good_on_every_available_engine() {
    let output = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
        .args(["models", "check", "--models", "models"])
        .current_dir(root())
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    for backend in backends() {
        let good = format!("good on {backend}");
        assert!(text.lines().all(|line| line.contains(&good)), "{text}");
    }
    assert!(
        text.lines().count() >= 7,
        "all versions are checked: {text}"
    );
}

/// Measured today, the validation pictures give the statistics in the manifests, so drift is measured against the same.
#[test]
fn every_version_knows_its_validation_pictures() {
    let pictures = Path::new("/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz");
    let repository = Repository::open(root().join("models")).expect("a repository");
    let model = "fashion".parse().expect("a name");
    let versions = repository.versions(&model).expect("versions");
    assert!(versions.len() >= 7);
    for version in versions {
        let manifest = repository.read(&model, &version).expect("good").manifest;
        let reference = manifest.reference.expect("a reference");
        let watched = [
            "luma_mean",
            "luma_std",
            "laplacian_variance",
            "width",
            "height",
        ];
        for name in watched {
            assert!(reference.ventiles.contains_key(name), "{version}: {name}");
        }
        assert!(reference.accuracy.is_some(), "{version}");
        if !pictures.exists() {
            println!("skipped: {} isn't here to be measured", pictures.display());
            continue;
        }
        let mut measured = Reference::default();
        watch_inputs(
            &mut measured,
            &survey(pictures, &manifest.transform).expect("measured"),
        );
        let measured = measured.ventiles;
        for name in watched {
            assert_eq!(
                measured[name], reference.ventiles[name],
                "{version}: {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_configuration_answers_the_samples_correctly() {
    for backend in backends() {
        let file = root().join(DEFAULT_FILE);
        let mut config = Config::load(Some(&file), [], &[]).expect("the shipped file");
        config.repository.path = root().join("models");
        config.engine.backend = backend.to_string();
        let server = TestServer::of(config).await;
        let samples = fs::read_dir(root().join("samples/fashion")).expect("samples");
        let mut right = 0;
        let mut pictures = 0;
        for sample in samples.map(|entry| entry.expect("readable").path()) {
            if sample
                .extension()
                .is_none_or(|extension| extension != "png")
            {
                continue;
            }
            let reply = server.predict(fs::read(&sample).expect("readable")).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
            let label = slug(
                reply.json()["predictions"][0]["label"]
                    .as_str()
                    .expect("text"),
            );
            let name = sample.file_stem().expect("a name").to_string_lossy();
            pictures += 1;
            right += usize::from(
                name.trim_end_matches(|c: char| c.is_ascii_digit()) == format!("{label}-"),
            );
        }
        // The student is right 93 times of 100: a sample or two may be among the seven.
        assert!(
            pictures >= 12 && right + 2 >= pictures,
            "{right} of {pictures}"
        );
    }
}
