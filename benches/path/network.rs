//! A version of ten classes and 28 × 28 gray pixels, for any network.

use std::path::Path;

use bytes::Bytes;
use stillhouse::{
    image::{Color, Filter, Layout, Resize, Transform},
    store::{
        Labels, NewVersion, VersionFiles,
        manifest::{Element, File, Input, Manifest, Output, OutputKind, SCHEMA},
    },
};

/// Number of its classes.
pub const CLASSES: usize = 10;

/// 28 × 28 gray, bytes / 255.
pub fn transform() -> Transform {
    Transform {
        color: Color::Gray,
        width: 28,
        height: 28,
        layout: Layout::Nchw,
        resize: Resize::Stretch,
        resize_to: None,
        pad: 0,
        filter: Filter::Bilinear,
        scale: 1.0 / 255.0,
        mean: vec![0.0],
        std: vec![1.0],
    }
}

/// One name per class.
pub fn labels() -> Vec<String> {
    (0..CLASSES).map(|class| format!("class {class}")).collect()
}

/// A network as the version `mlp/v1`, with these names of input and output.
pub fn files(network: &Bytes, [input, output]: [&str; 2]) -> anyhow::Result<VersionFiles> {
    let manifest = Manifest {
        schema: SCHEMA,
        description: String::new(),
        file: File {
            name: "model.onnx".into(),
            sha256: String::new(),
            size_bytes: 0,
        },
        input: Input {
            name: input.into(),
            element: Element::F32,
        },
        transform: transform(),
        output: Output {
            name: output.into(),
            kind: OutputKind::Logits,
            classes: CLASSES,
        },
        training: None,
        reference: None,
        golden: vec![],
    };
    let version = NewVersion {
        manifest,
        labels: Labels::new(labels()).map_err(anyhow::Error::msg)?,
        model_bytes: network.clone(),
        golden: vec![],
    };
    Ok(version.files(&"mlp".parse()?, &"v1".parse()?, Path::new("mlp/v1"))?)
}
