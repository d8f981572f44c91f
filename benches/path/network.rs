//! A version of ten classes and 28 × 28 gray pixels, for any network.

use std::path::Path;

use bytes::Bytes;
use stillhouse::{
    image::{Color, Transform},
    store::{
        Labels, NewVersion, VersionFiles,
        manifest::{Element, Input, Manifest, Output, OutputKind},
    },
};

/// Number of its classes.
pub(crate) const CLASSES: usize = 10;

/// 28 × 28 gray, bytes / 255.
pub(crate) fn transform() -> Transform {
    Transform::plain(Color::Gray, 28, 28)
}

/// One name per class.
pub(crate) fn labels() -> Vec<String> {
    (0..CLASSES).map(|class| format!("class {class}")).collect()
}

/// A network as the version `mlp/v1`, with these names of input and output.
pub(crate) fn files(network: &Bytes, [input, output]: [&str; 2]) -> anyhow::Result<VersionFiles> {
    let input = Input::new(input, Element::F32);
    let output = Output::new(output, OutputKind::Logits, CLASSES);
    let version = NewVersion {
        manifest: Manifest::new(input, transform(), output),
        labels: Labels::new(labels()).map_err(anyhow::Error::msg)?,
        model_bytes: network.clone(),
        golden: vec![],
    };
    Ok(version.files(&"mlp".parse()?, &"v1".parse()?, Path::new("mlp/v1"))?)
}
