//! `stillhouse import` with the outputs that the trainer's own code gave: a shipped network, its golden samples as validation.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const VERSION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/fashion/s1");

/// A folder with the golden pictures of `fashion/s1` in `pictures`, their outputs in `outputs.json`, the labels that the
/// network gives them in `right.txt`, and the model's labels.
fn validation() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).expect("made");
    let golden = fs::read_dir(Path::new(VERSION).join("golden")).expect("samples");
    let mut names: Vec<PathBuf> = golden.map(|entry| entry.expect("a file").path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "png"));
    names.sort();
    let (mut outputs, mut right) = (Vec::new(), String::new());
    for picture in &names {
        fs::copy(picture, pictures.join(picture.file_name().expect("a name"))).expect("copied");
        let text = fs::read_to_string(picture.with_extension("json")).expect("outputs");
        let row: Vec<f32> = serde_json::from_str(&text).expect("numbers");
        let classes = row.iter().enumerate();
        let top = classes
            .max_by(|a, b| a.1.total_cmp(b.1))
            .expect("classes")
            .0;
        right += &format!("{top}\n");
        outputs.push(row);
    }
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write(
        "outputs.json",
        &serde_json::to_string(&outputs).expect("JSON"),
    );
    write("right.txt", &right);
    let labels = Path::new(VERSION)
        .parent()
        .expect("the model")
        .join("labels.txt");
    fs::copy(labels, folder.path().join("labels.txt")).expect("copied");
    folder
}

/// Imports the network as `fashion/new`; whether that went well, and what was printed.
fn import(folder: &Path, more: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
        .arg("import")
        .arg(Path::new(VERSION).join("model.onnx"))
        .args([
            "--model",
            "fashion",
            "--version",
            "new",
            "--labels",
            "labels.txt",
        ])
        .args(["--models", "models", "--engine", "tract"])
        .args(more)
        .current_dir(folder)
        .output()
        .expect("runs");
    let printed = [&output.stdout[..], &output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

#[test]
fn b5_import_proves_the_transform_with_outputs_and_their_pictures() {
    let folder = validation();
    let given = [
        "--reference",
        "outputs.json",
        "--reference-pictures",
        "pictures",
    ];
    let (good, text) = import(folder.path(), &given);
    assert!(!good, "{text}");
    let named = "With --mean 0.286 --std 0.353 they are less than 0.1 % off: is that how the network was trained?";
    assert!(text.contains(named), "{text}");
    assert!(!folder.path().join("models/fashion/new").exists());

    let numbers = ["--mean", "0.286", "--std", "0.353"];
    let (good, text) = import(
        folder.path(),
        &[&given[..], &numbers, &["--scale", "1"]].concat(),
    );
    assert!(
        !good && text.contains("With --scale 1/255 they are"),
        "{text}"
    );

    let golden = ["--golden", "pictures/19.png", "--golden", "pictures/2.png"];
    let labels = ["--reference-labels", "right.txt"];
    let (good, text) = import(
        folder.path(),
        &[&given[..], &numbers, &golden, &labels].concat(),
    );
    assert!(good, "{text}");
    assert!(
        text.contains("\n  19.png → T-shirt/top, 0.9982\n  2.png → Trouser, 1.0000\n"),
        "{text}"
    );
    assert!(
        text.contains("6 pictures give the outputs in --reference, 0.00 % off"),
        "{text}"
    );
    assert!(text.contains("accuracy = 100.00 % of 6 pictures"), "{text}");
}

/// T²·KL is measured at the temperature that the manifest has; 1 would make plain KL of it.
#[test]
fn import_notes_the_temperature_of_the_training() {
    let folder = validation();
    let numbers = ["--mean", "0.286", "--std", "0.353"];
    let (good, text) = import(
        folder.path(),
        &[&numbers[..], &["--temperature", "4"]].concat(),
    );
    assert!(good, "{text}");
    let manifest = folder.path().join("models/fashion/new/manifest.toml");
    let manifest = fs::read_to_string(manifest).expect("written");
    assert!(manifest.contains("temperature = 4.0"), "{manifest}");
    for wrong in ["0", "-1", "nan", "inf", "warm"] {
        let (good, text) = import(
            folder.path(),
            &[&numbers[..], &["--temperature", wrong]].concat(),
        );
        assert!(
            !good && text.contains("a number above 0"),
            "{wrong}: {text}"
        );
    }
}
