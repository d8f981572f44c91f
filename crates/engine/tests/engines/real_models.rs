//! Networks that people use: SqueezeNet with its trained weights, and the architectures that the `onnx` package of
//! PyPI carries without theirs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use bytes::Bytes;
use prost::Message;
use stillhouse_engine::{
    Activation, Hints,
    onnx::{ModelProto, TensorProto, build::weights},
};

use crate::both;

/// Trained weights: `STILLHOUSE_SHARED`, or `shared` beside the repository.
#[test]
fn squeezenet() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = env::var_os("STILLHOUSE_SHARED")
        .map_or_else(beside, PathBuf::from)
        .join("models/squeezenet");
    if !folder.is_dir() {
        println!("skipped: SqueezeNet, which isn't at {}", folder.display());
        return;
    }
    // Both expect pixels as they are, 0 to 255 less a mean, or thereabouts; noise has that range too.
    let input: Vec<f32> = both::noise(3 * 224 * 224, 9)
        .iter()
        .map(|value| value * 128.0)
        .collect();
    let mut best = Vec::new();
    for (file, tolerance) in [
        ("squeezenet_imagenet_fp32.onnx", 1e-4),
        ("SqueezeNet_fp16.onnx", 1e-2),
    ] {
        let bytes = Bytes::from(fs::read(folder.join(file)).unwrap());
        let mut right: Option<Vec<f32>> = None;
        for backend in both::backends() {
            let blueprint =
                both::blueprint(backend, &bytes).unwrap_or_else(|e| panic!("{file}: {e}"));
            let activation = blueprint.signature().activation;
            assert_eq!(activation, Some(Activation::Softmax), "{file}");
            let found = both::answers(backend, &bytes, &input, 1).unwrap();
            assert!(
                (found.iter().sum::<f32>() - 1.0).abs() < 1e-2,
                "{file} on {backend}"
            );
            best.push(arg_max(&found));
            match &right {
                None => right = Some(found),
                Some(right) => {
                    both::close(&format!("{file} on {backend}"), &found, right, tolerance)
                }
            }
        }
    }
    assert!(best.iter().all(|class| *class == best[0]), "{best:?}");
}

fn arg_max(scores: &[f32]) -> usize {
    (0..scores.len())
        .max_by(|a, b| scores[*a].total_cmp(&scores[*b]))
        .expect("scores are never empty")
}

/// As they come, weights are one constant, and so are the answers: equal to those published beside them.
/// With noise for weights (but where there are too many) the outputs vary more: the back ends must agree on them.
fn architecture(name: &str, with_noise: bool) {
    let Some(folder) = light_models() else { return };
    let model = Bytes::from(fs::read(folder.join(format!("light_{name}.onnx"))).unwrap());
    let published = fs::read(folder.join(format!("light_{name}_output_0.pb"))).unwrap();
    let published = floats(&TensorProto::decode(&published[..]).unwrap());
    let row = 3 * 224 * 224;
    let ramp: Vec<f32> = (0..row).map(|i| i as f32 / row as f32).collect();
    for backend in both::backends() {
        let found =
            both::answers(backend, &model, &ramp, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
        both::close(&format!("{name} on {backend}"), &found, &published, 1e-5);
    }
    if !with_noise {
        return;
    }
    let noisy = with_noise_for_weights(&model);
    let mut right: Option<Vec<f32>> = None;
    for backend in both::backends() {
        let found = both::answers(backend, &noisy, &ramp, 1).unwrap();
        let (low, high) = found.iter().fold((f32::MAX, f32::MIN), |(low, high), x| {
            (low.min(*x), high.max(*x))
        });
        assert!(
            high > low * 1.1,
            "{name} on {backend}: all scores lie between {low} and {high}"
        );
        // Of the differences between classes, half a percent may be rounding.
        let tolerance = 5e-3 * (high - low) / high.max(1.0);
        match &right {
            None => right = Some(found),
            Some(right) => both::close(
                &format!("noisy {name} on {backend}"),
                &found,
                right,
                tolerance,
            ),
        }
    }
}

#[test]
fn resnet50() {
    architecture("resnet50", true);
}

#[test]
fn densenet121() {
    architecture("densenet121", true);
}

#[test]
fn shufflenet() {
    architecture("shufflenet", true);
}

#[test]
fn inception_v1() {
    architecture("inception_v1", true);
}

#[test]
fn inception_v2() {
    architecture("inception_v2", true);
}

#[test]
fn squeezenet_without_weights() {
    architecture("squeezenet", true);
}

/// 144 million weights: twice their 575 MB would be read and packed for noise.
#[test]
fn vgg19() {
    architecture("vgg19", false);
}

/// Where the models lie: `STILLHOUSE_ONNX_LIGHT`, or in the `onnx` package of the Python at hand.
fn light_models() -> Option<PathBuf> {
    let installed = || {
        let script = "import os, onnx; print(os.path.join(os.path.dirname(onnx.__file__), 'backend/test/data/light'))";
        let output = Command::new("python3").args(["-c", script]).output().ok()?;
        output
            .status
            .success()
            .then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
    };
    let folder = env::var_os("STILLHOUSE_ONNX_LIGHT")
        .map(PathBuf::from)
        .or_else(installed);
    let folder = folder.filter(|folder| folder.join("light_resnet50.onnx").is_file());
    if folder.is_none() {
        println!(
            "skipped: the light models of the onnx package (pip install onnx, or set STILLHOUSE_ONNX_LIGHT)"
        );
    }
    folder
}

/// Puts noise, scaled to keep activations alive, in the place of every weight that is made as a constant.
fn with_noise_for_weights(model: &Bytes) -> Bytes {
    let mut model = ModelProto::decode(model.clone()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let (constants, rest): (Vec<_>, Vec<_>) = graph
        .node
        .drain(..)
        .partition(|node| node.op_type == "ConstantOfShape");
    graph.node = rest;
    for (seed, node) in constants.iter().enumerate() {
        let shape = graph
            .initializer
            .iter()
            .find(|tensor| tensor.name == node.input[0])
            .unwrap();
        let dims: Vec<usize> = shape
            .raw_data
            .chunks_exact(8)
            .map(|n| i64::from_le_bytes(n.try_into().unwrap()) as usize)
            .collect();
        let inputs: usize = dims[1..].iter().product();
        let scale = (6.0 / inputs as f32).sqrt();
        let values = both::noise(dims.iter().product(), seed as u64 + 1);
        let values: Vec<f32> = match dims.len() {
            1 => vec![0.02; dims[0]],
            _ => values.iter().map(|value| value * scale).collect(),
        };
        graph
            .initializer
            .push(weights(&node.output[0], &dims, &values));
    }
    model.to_bytes()
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    tensor
        .raw_data
        .chunks_exact(4)
        .map(|n| f32::from_le_bytes(n.try_into().unwrap()))
        .collect()
}

#[test]
fn the_operators_of_an_architecture_are_listed() {
    let Some(folder) = light_models() else { return };
    let bytes = Bytes::from(fs::read(folder.join("light_shufflenet.onnx")).unwrap());
    let graph = stillhouse_engine::walk::read(&bytes, &Hints::default()).unwrap();
    assert!(graph.operators.is_sorted() && graph.operators.contains(&"Transpose".to_owned()));
    assert!(graph.convolves());
    assert_eq!(graph.signature.activation, Some(Activation::Softmax));
    assert_eq!((graph.signature.classes, graph.signature.opset), (1000, 9));
}
