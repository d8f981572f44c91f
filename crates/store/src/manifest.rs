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
    /// Whether a run gets one picture at a time: where pictures that share a run would be answered otherwise than alone.
    /// Loading finds this out by itself; here it is demanded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_row_at_a_time: bool,
}

impl Input {
    /// An input that may be given batches.
    pub fn new(name: impl Into<String>, element: Element) -> Self {
        Self {
            name: name.into(),
            element,
            one_row_at_a_time: false,
        }
    }
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
    /// Bytes: the network normalises them itself, so the transform's scale is 1, its mean 0 and its std 1.
    U8,
}

/// The graph's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The graph's own name for it.
    pub name: String,
    /// What the scores are, and so what makes probabilities of them.
    pub kind: OutputKind,
    /// Scores per picture; must equal the number of labels.
    pub classes: usize,
    /// Of independent scores: from which probability on a label applies; one number a class, or one for all. 0.5 where
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<f32>,
}

impl Output {
    /// An output with the usual thresholds.
    pub fn new(name: impl Into<String>, kind: OutputKind, classes: usize) -> Self {
        Self {
            name: name.into(),
            kind,
            classes,
            thresholds: Vec::new(),
        }
    }

    /// Of independent scores: the threshold of each class; `None` where exactly one class applies.
    pub fn thresholds(&self) -> Option<Vec<f32>> {
        let of = |class: usize| match &self.thresholds[..] {
            [] => DEFAULT_THRESHOLD,
            [all] => *all,
            each => each.get(class).copied().unwrap_or(DEFAULT_THRESHOLD),
        };
        let is_independent = self.kind.is_independent();
        is_independent.then(|| (0..self.classes).map(of).collect())
    }
}

/// From this probability on a label applies, unless the manifest says otherwise: where it becomes likelier than not.
pub const DEFAULT_THRESHOLD: f32 = 0.5;

/// What the scores are. Of exclusive classes exactly one applies, and their probabilities sum to 1; independent classes
/// (multi-label classification) apply or not, each with a probability of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// Exclusive, unnormalised: a softmax gives the probabilities.
    Logits,
    /// Exclusive: non-negative, summing to 1.
    Probabilities,
    /// Independent probabilities, from 0 to 1 each: out of a sigmoid, say.
    Independent,
    /// Independent, unnormalised: a sigmoid of each gives its probability.
    IndependentLogits,
}

impl OutputKind {
    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Probabilities => "probabilities",
            Self::Independent => "independent",
            Self::IndependentLogits => "independent-logits",
        }
    }

    /// Whether any number of classes may apply, not exactly one.
    pub fn is_independent(self) -> bool {
        matches!(self, Self::Independent | Self::IndependentLogits)
    }
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
    /// Of independent scores: the share of pictures on which each class reached its threshold, Jeffreys-smoothed:
    /// `(count + 1/2) / (m + 1)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label_ratios: Vec<f64>,
    /// Share of right answers, where labels were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Share of pictures on which student and teacher have the same top class; of independent scores, the same labels at or
    /// above their thresholds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Mean KL(teacher‖student) at T = 1; of independent scores the sum over the classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_mean_nats: Option<f64>,
    /// The same with every value clipped to 2 nats first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl_clipped_mean_nats: Option<f64>,
    /// 5 %, 10 % ... 95 % quantiles (19 numbers) of what is watched, by its name. Of the pictures, as defined in
    /// [`image::statistics`](stillhouse_image::statistics): `luma_mean`, `luma_std`, `laplacian_variance`,
    /// `channel_mean_0..2` (of colour only), `width`, `height`. Of the answers: `top1_probability`, `margin`
    /// (ln p1 - ln p2 of the two likeliest classes; of independent scores the least distance of a logit from its
    /// threshold's), `log_sum_exp` (of logits only).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ventiles: BTreeMap<String, Vec<f64>>,
    /// By the same names: the share of validation more than one range from the 5 % to the 95 % quantile below the former,
    /// and above the latter; Jeffreys-smoothed: `(count + 1/2) / (m + 1)`. Where it is missing, what lies there is counted
    /// with its neighbours.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tail_ratios: BTreeMap<String, [f64; 2]>,
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
