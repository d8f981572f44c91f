//! Imports a network: makes a version from an ONNX file and its labels. Every property comes from the graph, from the caller,
//! or is a stated default.
//!
//! | module      | holds                                                                   |
//! |-------------|-------------------------------------------------------------------------|
//! | `choice`    | overrides, and the record of every decision                             |
//! | `kind`      | what the scores are, and their thresholds                               |
//! | `frame`     | the transform that fits a graph's input                                 |
//! | `labels`    | label files                                                             |
//! | `pictures`  | golden pictures: the caller's, or generated ones                        |
//! | `outputs`   | files of validation outputs: `.npy`, `.json`, `.csv`                      |
//! | `validation`| validation pictures: idx files and folders                              |
//! | `idx`       | the format of MNIST and its relatives                                   |
//! | `reference` | statistics of validation outputs and pictures                           |
//! | `proof`     | whether the transform gives the validation outputs                      |
//! | `truth`     | the labels of validation pictures                                       |

mod choice;
mod frame;
pub mod idx;
mod kind;
mod labels;
pub mod outputs;
mod pictures;
pub mod proof;
pub mod reference;
pub mod truth;
pub mod validation;

use std::{cmp::Ordering, path::Path};

use bytes::Bytes;
use stillhouse_engine::{ElementType, EngineError, EngineOptions, Hints, Signature, walk};
use tempfile::TempDir;

use stillhouse_golden::{self as golden, GoldenError, Prepare, contract};
use stillhouse_image::Transform;
use stillhouse_store::{
    Golden, Labels, Manifest, ModelName, NewVersion, StoreError, VersionFiles,
    manifest::{Input, Output, Training},
};

pub use choice::{Choice, Origin, Overrides, number, numbers, size};
pub use labels::read_labels;
pub use pictures::{drawn, named};
pub use stillhouse_golden::contract::options as engine_options;

/// Why a network can't be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The graph isn't supported, or the engine refuses it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No picture has the shape of the graph's input.
    #[error("{0}")]
    Frame(String),
    /// Label file and graph disagree.
    #[error("the graph has {classes} classes, {labels} labels are given{hint}")]
    Labels {
        /// Number of the graph's scores per picture.
        classes: usize,
        /// Lines in the label file.
        labels: usize,
        /// A possible reason.
        hint: &'static str,
    },
    /// A golden picture can't be used, or the network returns no valid scores for it.
    #[error(transparent)]
    Golden(#[from] GoldenError),
    /// The caller's setting contradicts the network's outputs.
    #[error(
        "--output says {given}, but the network answers {found} ({why}): leave it out or correct it"
    )]
    Kind {
        /// The caller's value.
        given: &'static str,
        /// The observed value.
        found: &'static str,
        /// By which it was recognised.
        why: String,
    },
    /// The caller's setting contradicts the graph's last activation.
    #[error("--output says {given}, but the graph has {graph}")]
    Activation {
        /// The caller's value.
        given: &'static str,
        /// What the graph has, and what would be right.
        graph: String,
    },
    /// Neither graph nor outputs say what the scores are.
    #[error("{found}: say which with {fitting}")]
    OpenKind {
        /// The observed values.
        found: String,
        /// What may be given.
        fitting: &'static str,
    },
    /// A number of classes that only a run reveals.
    #[error(
        "the graph leaves the number of classes open, and it isn't the {labels} of the labels: {source}"
    )]
    OpenClasses {
        /// Lines in the label file.
        labels: usize,
        /// The run's error.
        source: EngineError,
    },
    /// A softmax that was quantised with the rest: neither probabilities nor logits.
    #[error(
        "the graph ends in a softmax, but {found}: leave the softmax out of the quantisation, or out of the graph"
    )]
    RoundedSoftmax {
        /// The observed values.
        found: String,
    },
    /// The transform isn't the one that the given outputs were made with.
    #[error("{0}")]
    Transform(String),
    /// An unusable file.
    #[error("{path}: {detail}")]
    Content {
        /// The file.
        path: String,
        /// The problem, and what would be valid.
        detail: String,
    },
}

/// A network with everything that is needed to serve it, and how each thing was decided.
#[derive(Clone, Debug)]
pub struct Described {
    /// Ready for [`Repository::write_version`](stillhouse_store::Repository::write_version).
    pub version: NewVersion,
    /// In the manifest's order.
    pub choices: Vec<Choice>,
}

/// Reads the graph, decides what it leaves open, runs it on `pictures` (names and files; drawn ones if there are none)
/// and records the outputs as golden samples.
///
/// The engine is built, run and dropped on the calling thread.
///
/// # Errors
/// A graph that is not served, overrides or labels that don't fit it, pictures that can't be decoded, outputs that are
/// not finite.
pub fn describe(
    onnx: &Bytes,
    labels: &Labels,
    overrides: &Overrides,
    pictures: Vec<(String, Bytes)>,
    engine: &EngineOptions,
    prepare: Prepare<'_>,
) -> Result<Described, ImportError> {
    let (transform, mut choices) = frame::transform(&walk::input(onnx)?, overrides)?;
    let hints = hints(overrides, &transform, Some(labels.len()));
    let signature = walk::read(onnx, &hints)?.signature;
    count(&signature, labels)?;
    let options = EngineOptions {
        hints,
        ..engine.clone()
    };
    let mut network = prepare(onnx, &options)?.build(1)?;
    let (pictures, origin) = match pictures.is_empty() {
        true => (pictures::drawn(&transform), Origin::Default),
        false => (pictures, Origin::Given),
    };
    choices.push(Choice::new(
        "golden",
        format!("{} pictures", pictures.len()),
        origin,
    ));
    let mut golden: Vec<Golden> = pictures
        .into_iter()
        .map(|(name, image)| Golden {
            name,
            image,
            outputs: Vec::new(),
            tolerance: tolerance(&signature),
        })
        .collect();
    golden::record(network.as_mut(), &transform, &mut golden)
        .map_err(|error| open_classes(onnx, &options.hints, error))?;
    golden.iter_mut().for_each(tighten);
    if blind(&golden) {
        let warning = "every picture gives the same outputs: they can't reveal a wrong transform";
        choices.push(Choice::new("golden", warning, Origin::Observed));
    }
    let rows: Vec<&[f32]> = golden.iter().map(|golden| &golden.outputs[..]).collect();
    let (kind, kind_choice) = kind::decide(&signature, &rows, overrides.output_kind)?;
    choices.push(Choice::new(
        "output.name",
        &signature.output.name,
        Origin::given_or(&overrides.output_name, Origin::Graph),
    ));
    choices.push(kind_choice);
    let thresholds = kind::thresholds(kind, overrides, &mut choices)?;
    let one_row_at_a_time = overrides.one_row_at_a_time;
    if one_row_at_a_time {
        let rows = Choice::new("input.one_row_at_a_time", "true", Origin::Given);
        choices.push(rows);
    }

    let input = Input {
        one_row_at_a_time,
        ..Input::new(
            signature.input.name,
            contract::element(signature.input.element),
        )
    };
    let output = Output {
        thresholds,
        ..Output::new(signature.output.name, kind, signature.classes)
    };
    let manifest = Manifest {
        description: overrides.description.clone(),
        training: Some(Training {
            created: Some(
                jiff::Timestamp::now()
                    .strftime("%Y-%m-%dT%H:%M:%SZ")
                    .to_string(),
            ),
            tool: Some(concat!("stillhouse ", env!("CARGO_PKG_VERSION"), " import").into()),
            ..Training::default()
        }),
        ..Manifest::new(input, transform, output)
    };
    let version = NewVersion {
        manifest,
        labels: labels.clone(),
        model_bytes: onnx.clone(),
        golden,
    };
    Ok(Described { version, choices })
}

/// How many classes the graph has.
///
/// # Errors
/// A graph that is not served, or that leaves the number open.
pub fn classes(onnx: &Bytes, overrides: &Overrides) -> Result<usize, ImportError> {
    let (transform, _) = frame::transform(&walk::input(onnx)?, overrides)?;
    let graph = walk::read(onnx, &hints(overrides, &transform, None))?;
    Ok(graph.signature.classes)
}

fn hints(overrides: &Overrides, transform: &Transform, classes: Option<usize>) -> Hints {
    Hints {
        output: overrides.output_name.clone(),
        row_shape: Some(transform.tensor_shape()),
        classes,
        single_score: overrides.output_kind.map(contract::single_score),
        one_row: overrides.one_row_at_a_time.then(|| "given".into()),
    }
}

/// A version outside of any repository.
#[derive(Debug)]
pub struct Standalone {
    /// What is served, as the model named after its file and the version `local`.
    pub files: VersionFiles,
    /// How everything was decided.
    pub choices: Vec<Choice>,
    /// `files.path`, with nothing but the golden pictures in it; removed when this is dropped.
    pub folder: TempDir,
}

impl Described {
    /// The network as it is served from memory, without a repository.
    ///
    /// # Errors
    /// The disk's, which takes the pictures.
    pub fn into_standalone(self, file: &Path) -> Result<Standalone, StoreError> {
        let folder = TempDir::with_prefix("stillhouse-");
        let folder = folder.map_err(|source| StoreError::Io {
            path: std::env::temp_dir(),
            source,
        })?;
        let files = self
            .version
            .files(&model_name(file), &"local".parse()?, folder.path())?;
        files.write_golden(folder.path())?;
        Ok(Standalone {
            files,
            choices: self.choices,
            folder,
        })
    }
}

/// A file's name as a model's: `SqueezeNet_fp16.onnx` → `squeezenet_fp16`.
fn model_name(file: &Path) -> ModelName {
    let stem = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let plain = stem.replace(
        |c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c),
        "-",
    );
    let plain: String = plain
        .trim_start_matches(['.', '_', '-'])
        .chars()
        .take(64)
        .collect();
    plain
        .parse()
        .or_else(|_| "model".parse())
        .unwrap_or_else(|_| unreachable!("`model` is a name"))
}

/// Where the graph leaves the number of classes open, a run is the first to tell that the labels don't fit.
fn open_classes(onnx: &Bytes, hints: &Hints, error: GoldenError) -> ImportError {
    let unknown = Hints {
        classes: None,
        ..hints.clone()
    };
    match error {
        GoldenError::Engine(source @ EngineError::Run(_))
            if walk::read(onnx, &unknown).is_err() =>
        {
            ImportError::OpenClasses {
                labels: hints.classes.unwrap_or_default(),
                source,
            }
        }
        error => error.into(),
    }
}

fn count(signature: &Signature, labels: &Labels) -> Result<(), ImportError> {
    let (classes, labels) = (signature.classes, labels.len());
    let hint = match classes.cmp(&labels) {
        Ordering::Equal => return Ok(()),
        _ if signature.single_score.is_some() => {
            ": its one score is that of the positive class, so two labels belong to it, the negative class first"
        }
        Ordering::Greater if classes == labels + 1 => {
            ": many networks have a class 0 for the background; give it the first line of the label file"
        }
        _ => ": one line of the label file belongs to each class, in the graph's order",
    };
    Err(ImportError::Labels {
        classes,
        labels,
        hint,
    })
}

/// Half precision is 11 bits, and engines differ in where they round.
fn tolerance(signature: &Signature) -> f32 {
    match signature.input.element {
        ElementType::F32 | ElementType::U8 => 1e-3,
        ElementType::F16 => 1e-2,
    }
}

/// The tolerance counts from 1 up; outputs that are all far below it, as the probabilities of a thousand classes may be,
/// would match whatever came.
fn tighten(golden: &mut Golden) {
    let largest = golden
        .outputs
        .iter()
        .fold(0.0_f32, |largest, value| largest.max(value.abs()));
    golden.tolerance *= largest.clamp(1e-3, 1.0);
}

fn blind(golden: &[Golden]) -> bool {
    golden.len() > 1
        && golden[1..]
            .iter()
            .all(|other| golden[0].matches(&other.outputs).is_ok())
}

#[cfg(test)]
mod tests;
