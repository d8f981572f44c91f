//! The model of the tests: 4 × 4 gray pixels, distinguished by their mean luma.

use bytes::Bytes;
use stillhouse::{
    image::{Color, Transform},
    store::{
        Golden, Labels, NewVersion, Repository,
        manifest::{Element, Input, Manifest, Output, OutputKind},
    },
};
use stillhouse_engine::{
    ElementType, EngineError,
    onnx::{
        GraphProto,
        build::{model, node, port, weights},
    },
};

pub(crate) use stillhouse_test_support::{gray_png, png};

/// Pixels a side.
pub(crate) const SIDE: u32 = 4;

/// Dark is 0, bright is 255.
pub(crate) const LABELS: [&str; 3] = ["dark", "middle", "bright"];

/// Logits that favour the class of the mean luma.
pub(crate) fn brightness(input: &[f32], rows: usize) -> Result<Vec<f32>, EngineError> {
    let row = |pixels: &[f32]| {
        let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
        [0.0, 0.5, 1.0].map(|centre: f32| -40.0 * (mean - centre).powi(2))
    };
    Ok(input
        .chunks_exact(input.len() / rows)
        .flat_map(row)
        .collect())
}

/// The manifest of the scripted model; the file's hash is filled in when it is written.
pub(crate) fn toy_manifest() -> Manifest {
    let input = Input::new("input", Element::F32);
    let output = Output::new("output", OutputKind::Logits, LABELS.len());
    Manifest::new(input, Transform::plain(Color::Gray, SIDE, SIDE), output)
}

/// The same classification as [`brightness`], as a real network: linear logits whose largest is the nearest class.
pub(crate) fn network() -> Bytes {
    model(17, graph()).to_bytes()
}

/// The graph of [`network`].
pub(crate) fn graph() -> GraphProto {
    let pixels = (SIDE * SIDE) as usize;
    let slopes = [-20.0, 0.0, 20.0].map(|slope| slope / pixels as f32);
    GraphProto {
        node: vec![
            node("Flatten", &["input"], &["flat"]),
            node("Gemm", &["flat", "slopes", "offsets"], &["output"]),
        ],
        initializer: vec![
            weights("slopes", &[pixels, 3], &slopes.repeat(pixels)),
            weights("offsets", &[3], &[5.0, 0.0, -15.0]),
        ],
        input: vec![port(
            "input",
            ElementType::F32,
            &format!("N,1,{SIDE},{SIDE}"),
        )],
        output: vec![port("output", ElementType::F32, "N,3")],
        ..Default::default()
    }
}

/// One golden sample of each class, computed by hand.
pub(crate) fn golden() -> Vec<Golden> {
    let sample = |luma: u8| {
        let mean = f32::from(luma) / 255.0;
        Golden {
            name: format!("luma-{luma}"),
            image: gray_png(SIDE, luma).into(),
            outputs: vec![5.0 - 20.0 * mean, 0.0, 20.0 * mean - 15.0],
            tolerance: 1e-4,
        }
    };
    [0, 128, 255].map(sample).to_vec()
}

/// Writes `toy/v1`: the network above.
pub(crate) fn write(root: &std::path::Path, golden: Vec<Golden>) {
    write_network(root, network(), golden);
}

/// Writes `toy/v1`: another network with the same manifest.
pub(crate) fn write_network(root: &std::path::Path, model_bytes: Bytes, golden: Vec<Golden>) {
    write_version(root, "v1", model_bytes, golden);
}

/// Writes another version with the same manifest.
pub(crate) fn write_version(
    root: &std::path::Path,
    version: &str,
    model_bytes: Bytes,
    golden: Vec<Golden>,
) {
    write_manifest(root, version, toy_manifest(), model_bytes, golden);
}

/// Writes a version with a manifest of its own.
pub(crate) fn write_manifest(
    root: &std::path::Path,
    version: &str,
    manifest: Manifest,
    model_bytes: Bytes,
    golden: Vec<Golden>,
) {
    let name = version;
    let repository = Repository::create(root).expect("a repository");
    let version = NewVersion {
        manifest,
        labels: Labels::new(LABELS.map(str::to_owned).to_vec()).expect("labels"),
        model_bytes,
        golden,
    };
    let name = (
        "toy".parse().expect("a name"),
        name.parse().expect("a name"),
    );
    repository
        .write_version(&name.0, &name.1, &version)
        .expect("written");
}
