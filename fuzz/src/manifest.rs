//! Manifests of versions.

use std::fs;

use crate::repository::with;

/// Reads a version with this manifest, whose network is a few bytes.
pub(crate) fn read(data: &[u8]) {
    with(|sandbox| {
        let folder = sandbox.model_folder().join(sandbox.version.as_str());
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("model.onnx"), b"onnx").expect("written");
        fs::write(folder.join("manifest.toml"), data).expect("written");
        if let Ok(files) = sandbox.repository.read(&sandbox.model, &sandbox.version) {
            files.manifest.transform.validate().expect("was accepted");
            assert_eq!(files.manifest.output.classes, files.labels.len());
        }
        fs::remove_dir_all(&folder).expect("removed");
    });
}
