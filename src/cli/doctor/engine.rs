//! The engines: each one that is compiled in runs a network of three numbers on the configured device.

use bytes::Bytes;
use stillhouse_engine::{
    Backend, ElementType, EngineError, EngineOptions,
    onnx::{
        GraphProto,
        build::{model, node, port},
    },
    prepare,
};

use super::finding::Finding;
use crate::{config::Config, version::EngineSettings};

const AREA: &str = "engine";

/// The chosen engine must run; another one may be missing.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let chosen = match config.engine.resolve() {
        Ok(chosen) => chosen,
        Err(error) => {
            return vec![Finding::failed(
                AREA,
                error.to_string(),
                "see config/stillhouse.toml, [engine]",
            )];
        }
    };
    let mut findings = vec![run(&chosen, true)];
    for backend in Backend::compiled_in()
        .iter()
        .filter(|one| **one != chosen.backend)
    {
        let settings = EngineSettings {
            backend: backend.to_string(),
            device: "cpu".into(),
            ..config.engine.clone()
        };
        if let Ok(options) = settings.resolve() {
            findings.push(run(&options, false));
        }
    }
    findings
}

fn run(options: &EngineOptions, chosen: bool) -> Finding {
    let place = match (&options.library, options.backend) {
        (Some(library), Backend::Ort) => format!(", library {}", library.display()),
        _ => String::new(),
    };
    let role = if chosen { "serves" } else { "not chosen" };
    match probe(options) {
        Ok(description) => Finding::ok(AREA, format!("{description} works ({role}{place})")),
        Err(error) => {
            let text = format!(
                "{} on {} doesn't work{place}: {error}",
                options.backend, options.device
            );
            let next = match options.backend {
                Backend::Ort => {
                    "scripts/onnxruntime.sh fetches the library; engine.library or ORT_DYLIB_PATH names another"
                }
                Backend::Tract => "set engine.backend = \"onnxruntime\"",
            };
            match chosen {
                true => Finding::failed(AREA, text, next),
                false => Finding::warning(AREA, text, next),
            }
        }
    }
}

/// The engine's own description, after it has answered.
fn probe(options: &EngineOptions) -> Result<String, EngineError> {
    let blueprint = prepare(&network(), options)?;
    let mut engine = blueprint.build(1)?;
    let numbers = [1.0, 2.0, 3.0];
    engine.input(1).copy_from_slice(&numbers);
    match engine.run(1)? {
        scores if scores == numbers => Ok(blueprint.describe()),
        scores => Err(EngineError::Run(format!("1, 2, 3 became {scores:?}"))),
    }
}

fn network() -> Bytes {
    let graph = GraphProto {
        node: vec![node("Flatten", &["input"], &["output"])],
        input: vec![port("input", ElementType::F32, "N,3,1,1")],
        output: vec![port("output", ElementType::F32, "N,3")],
        ..Default::default()
    };
    model(17, graph).to_bytes()
}
