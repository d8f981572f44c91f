//! `manifest.toml`: the description of a version.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use stillhouse_image::Transform;

/// The manifest format this server reads and writes.
pub const SCHEMA: u32 = 1;

/// `models/<model>/<version>/manifest.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`]; a larger number is refused as coming from a newer stillhouse.
    pub schema: u32,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The network's file.
    pub file: File,
    /// The graph's input.
    pub input: Input,
    /// From picture to tensor.
    pub transform: Transform,
    /// From tensor to probabilities.
    pub output: Output,
    /// Where the network comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// What was seen at validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Pictures with the outputs they must give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub golden: Vec<Golden>,
}

impl Manifest {
    /// Of a version whose files aren't written yet: their sums and the golden samples are filled in from a
    /// [`NewVersion`](crate::NewVersion).
    pub fn new(input: Input, transform: Transform, output: Output) -> Self {
        Self {
            schema: SCHEMA,
            description: String::new(),
            file: File {
                name: "model.onnx".into(),
                sha256: String::new(),
                size_bytes: 0,
            },
            input,
            transform,
            output,
            training: None,
            reference: None,
            golden: Vec::new(),
        }
    }
}

/// The exact bytes that were checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Name in the version's directory, normally `model.onnx`.
    pub name: String,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// Length of the file.
    pub size_bytes: u64,
}

/// The graph's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The graph's own name for it.
    pub name: String,
    /// Element type in the graph.
    #[serde(default)]
    pub element: Element,
}

/// Element type of the input in the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// Single precision.
    #[default]
    F32,
    /// Half precision.
    F16,
}

/// The graph's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The graph's own name for it.
    pub name: String,
    /// Whether a softmax has still to be applied.
    pub kind: OutputKind,
    /// Scores per picture; must equal the number of labels.
    pub classes: usize,
}

/// What the scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    /// Unnormalised; softmax gives the probabilities.
    Logits,
    /// Non-negative, summing to 1.
    Probabilities,
}

/// Where a network comes from; nothing here changes how it is served, except `temperature`, at which T²·KL is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The teacher, as `<model>/<version>` or in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// The distillation temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The weight of the soft targets; hard labels weigh `1 - alpha`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// The architecture in words, e.g. `784-800-800-10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The data in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// What wrote it, e.g. `stillhouse-distill 0.1.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
}

/// What was seen at validation, for drift and divergence to be measured against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// How many validation pictures (m).
    pub samples: u64,
    /// Share of top-1 predictions per class, Jeffreys-smoothed: `(count + 1/2) / (m + K/2)`; K numbers that sum to 1.
    pub class_ratios: Vec<f64>,
    /// Share of right answers, where labels were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Share of pictures on which student and teacher have the same top class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Mean KL(teacher‖student) at T = 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_mean_nats: Option<f64>,
    /// The same with every value clipped to 2 nats first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_clipped_mean_nats: Option<f64>,
    /// 5 %, 10 % ... 95 % quantiles (19 numbers) of what is watched, by its name. Of the pictures, as defined in
    /// [`image::statistics`](stillhouse_image::statistics): `luma_mean`, `luma_std`, `laplacian_variance`,
    /// `channel_mean_0..2` (of colour only), `width`, `height`. Of the answers: `top1_probability`, `margin`
    /// (ln p1 - ln p2 of the two likeliest classes), `log_sum_exp` (of logits only).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ventiles: BTreeMap<String, Vec<f64>>,
}

/// A picture in the version's directory with the outputs that the network gave when it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Path in the version's directory, `golden/<name>.png`.
    pub image: String,
    /// Path in the version's directory of a JSON array of `classes` numbers: the raw outputs.
    pub outputs: String,
    /// How far any raw output may be off: `|got - expected| <= tolerance * max(1, max |expected|)`.
    #[serde(default = "default_tolerance")]
    pub tolerance: f32,
}

fn default_tolerance() -> f32 {
    1e-3
}
