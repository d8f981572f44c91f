//! The model of the tests: 4 × 4 gray pixels, distinguished by their mean luma.

use bytes::Bytes;
use stillhouse::{
    image::{Color, Filter, Layout, Resize, Transform},
    store::{
        Golden, Labels, NewVersion, Repository,
        manifest::{Element, File, Input, Manifest, Output, OutputKind, SCHEMA},
    },
};
use stillhouse_engine::{
    ElementType, EngineError,
    onnx::{
        GraphProto,
        build::{model, node, port, weights},
    },
};

/// Pixels per side.
pub const SIDE: u32 = 4;

/// Dark is 0, bright is 255.
pub const LABELS: [&str; 3] = ["dark", "middle", "bright"];

/// Logits that favour the class of the mean luma.
pub fn brightness(input: &[f32], rows: usize) -> Result<Vec<f32>, EngineError> {
    let row = |pixels: &[f32]| {
        let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
        [0.0, 0.5, 1.0].map(|centre: f32| -40.0 * (mean - centre).powi(2))
    };
    Ok(input
        .chunks_exact(input.len() / rows)
        .flat_map(row)
        .collect())
}

/// A square gray PNG of one luma.
pub fn gray_png(side: u32, luma: u8) -> Vec<u8> {
    png(
        side,
        side,
        png::ColorType::Grayscale,
        &vec![luma; (side * side) as usize],
    )
}

/// A PNG of 8 bits a sample.
pub fn png(width: u32, height: u32, color: png::ColorType, samples: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(samples))
        .expect("a picture");
    bytes
}

/// The manifest of the scripted model; the file's hash is filled in when it is written.
pub fn toy_manifest() -> Manifest {
    Manifest {
        schema: SCHEMA,
        description: String::new(),
        file: File {
            name: "model.onnx".into(),
            sha256: String::new(),
            size_bytes: 0,
        },
        input: Input {
            name: "input".into(),
            element: Element::F32,
        },
        transform: Transform {
            color: Color::Gray,
            width: SIDE,
            height: SIDE,
            layout: Layout::Nchw,
            resize: Resize::Stretch,
            resize_to: None,
            pad: 0,
            filter: Filter::Bilinear,
            scale: 1.0 / 255.0,
            mean: vec![0.0],
            std: vec![1.0],
        },
        output: Output {
            name: "output".into(),
            kind: OutputKind::Logits,
            classes: LABELS.len(),
        },
        training: None,
        reference: None,
        golden: vec![],
    }
}

/// The same classification as [`brightness`], as a real network: linear logits whose largest is the nearest class.
pub fn network() -> Bytes {
    model(17, graph()).to_bytes()
}

/// The graph of [`network`].
pub fn graph() -> GraphProto {
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
pub fn golden() -> Vec<Golden> {
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
pub fn write(root: &std::path::Path, golden: Vec<Golden>) {
    write_network(root, network(), golden);
}

/// Writes `toy/v1`: another network with the same manifest.
pub fn write_network(root: &std::path::Path, model_bytes: Bytes, golden: Vec<Golden>) {
    write_version(root, "v1", model_bytes, golden);
}

/// Writes another version with the same manifest.
pub fn write_version(
    root: &std::path::Path,
    version: &str,
    model_bytes: Bytes,
    golden: Vec<Golden>,
) {
    let name = version;
    let repository = Repository::create(root).expect("a repository");
    let version = NewVersion {
        manifest: toy_manifest(),
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
