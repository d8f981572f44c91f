//! The configuration of a run: a TOML file in which unknown keys are errors; the command line can override any key.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use stillhouse_image::Transform;

use crate::{
    augment::{Augment, Size},
    network::{Architecture, Shape},
};

/// All settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Description of the network; becomes the version's description.
    #[serde(default)]
    pub description: String,
    /// Seeds the weights, the order of the pictures, augmentation and dropout.
    #[serde(default)]
    pub seed: u64,
    /// Where pictures come from.
    pub data: Sources,
    /// From picture to tensor; written into the version's manifest.
    pub transform: Transform,
    /// The network.
    pub architecture: Architecture,
    /// How it is trained.
    pub train: Schedule,
    /// Data augmentation, the same for teacher and student.
    #[serde(default)]
    pub augment: Augment,
    /// The teacher; only for students.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distill: Option<Distill>,
}

/// Where pictures come from: an idx file, a folder or a Parquet file, distinguished by what is found at the path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    /// Training pictures.
    pub train: PathBuf,
    /// Their labels, if the pictures are in an idx file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_labels: Option<PathBuf>,
    /// Test pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Their labels, if the pictures are in an idx file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_labels: Option<PathBuf>,
    /// File of the classes' names, one per line.
    pub labels: PathBuf,
    /// Number of pictures held out of `train` for early stopping and model selection. Test pictures are never used for selection.
    #[serde(default)]
    pub holdout: usize,
    /// Use only this many pictures of `train`, chosen by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Classes to leave out of the training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<usize>,
}

/// The optimiser and its schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Passes over the data.
    pub epochs: usize,
    /// Pictures per step.
    pub batch: usize,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: Optimizer,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// The schedule after the warm-up.
    #[serde(default)]
    pub decay: Decay,
    /// Epochs of warm-up, over which the learning rate rises from 0.
    #[serde(default)]
    pub warmup_epochs: f64,
    /// Momentum of `sgd`.
    #[serde(default = "default_momentum")]
    pub momentum: f64,
    /// L2 penalty (`sgd`) or decoupled decay (`adamw`).
    #[serde(default)]
    pub weight_decay: f32,
    /// The largest L2 norm of the weights that enter one hidden unit (Hinton's weight constraint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_norm_limit: Option<f32>,
    /// Stop when the hold-out loss has not improved for this many epochs, and keep the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Evaluate on the test pictures after every this many epochs, and after the last.
    #[serde(default = "one")]
    pub evaluate_every: usize,
}

fn default_momentum() -> f64 {
    0.9
}

fn one() -> usize {
    1
}

/// The optimiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    #[default]
    AdamW,
}

/// The learning rate after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Constant.
    Constant,
    /// Cosine decay to 0.
    #[default]
    Cosine,
    /// Linear decay to 0.
    Linear,
}

/// The teacher and the distillation loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distill {
    /// An ONNX file, a version's directory, or a run's directory.
    pub teacher: PathBuf,
    /// T: logits are divided by it before the softmax, on both sides.
    pub temperature: f64,
    /// α: weight of the soft targets; hard labels weigh `1 - α`. Pictures without labels need 1.
    pub alpha: f64,
    /// Data distillation (Radosavovic 2018): the teacher's probabilities are averaged over this many shifted copies.
    #[serde(default = "one")]
    pub copies: usize,
}

impl Config {
    /// Reads `path`, then sets each `key.path=value` (TOML values; bare words count as strings).
    ///
    /// # Errors
    /// A file that can't be read, TOML that can't be parsed, an unknown key, or invalid values.
    pub fn load(path: &Path, settings: &[String]) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, settings).with_context(|| format!("in {}", path.display()))
    }

    /// As [`Config::load`], from text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, settings: &[String]) -> Result<Self> {
        let mut table: toml::Table = toml::from_str(text)?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        let config: Self = table.try_into()?;
        config.check()?;
        Ok(config)
    }

    /// Shapes of the network's input and output.
    pub fn shape(&self, classes: usize) -> Shape {
        let transform = &self.transform;
        Shape {
            picture: [
                transform.color.channels(),
                transform.height as usize,
                transform.width as usize,
            ],
            classes,
        }
    }

    /// Height and width of the network's input.
    pub fn size(&self) -> Size {
        Size {
            height: self.transform.height as usize,
            width: self.transform.width as usize,
        }
    }

    fn check(&self) -> Result<()> {
        let train = &self.train;
        ensure!(
            train.epochs > 0 && train.batch > 0,
            "train.epochs and train.batch must be at least 1"
        );
        ensure!(
            train.learning_rate.is_finite() && train.learning_rate > 0.0,
            "train.learning_rate = {} must be a positive number",
            train.learning_rate
        );
        ensure!(
            train.evaluate_every > 0,
            "train.evaluate_every must be at least 1"
        );
        ensure!(
            train.patience.is_none() || self.data.holdout > 0,
            "train.patience needs data.holdout: stopping on the test pictures would tune on them"
        );
        if let Some(distill) = &self.distill {
            ensure!(
                distill.temperature.is_finite() && distill.temperature > 0.0,
                "distill.temperature = {} must be a positive number",
                distill.temperature
            );
            ensure!(
                (0.0..=1.0).contains(&distill.alpha),
                "distill.alpha = {} must lie between 0 and 1",
                distill.alpha
            );
            ensure!(distill.copies > 0, "distill.copies must be at least 1");
        }
        self.augment.check()?;
        self.architecture.check()
    }
}

/// Sets one `a.b.c=value` in `table`.
fn set(table: &mut toml::Table, setting: &str) -> Result<()> {
    let Some((key, text)) = setting.split_once('=') else {
        bail!("`{setting}` is not a setting: write key.path=value");
    };
    let value = toml::from_str::<toml::Table>(&format!("v = {text}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("v"))
        .unwrap_or_else(|| toml::Value::String(text.to_owned()));
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path.pop().unwrap_or_default();
    let mut table = table;
    for part in path {
        table = table
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .with_context(|| format!("`{key}`: `{part}` is a value, not a table"))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const MLP: &str = r#"
        [data]
        train = "train-images"
        labels = "labels.txt"
        [transform]
        color = "gray"
        width = 28
        height = 28
        scale = 0.003921569
        mean = [0.0]
        std = [1.0]
        [architecture]
        kind = "mlp"
        widths = [30]
        [train]
        epochs = 1
        batch = 10
        learning_rate = 0.1
    "#;

    #[test]
    fn settings_override_the_file_and_may_add_tables() {
        let settings = [
            "seed=7",
            "train.learning_rate=0.5",
            "distill.teacher=a/b.onnx",
            "distill.temperature=20",
            "distill.alpha=1",
        ];
        let config = Config::parse(MLP, &settings.map(str::to_owned)).unwrap();
        assert_eq!(config.seed, 7);
        assert_eq!(config.train.learning_rate, 0.5);
        let distill = config.distill.unwrap();
        assert_eq!(
            (distill.teacher, distill.temperature),
            (PathBuf::from("a/b.onnx"), 20.0)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let check = |setting: &str, expected: &str| {
            let error = Config::parse(MLP, &[setting.to_owned()]).unwrap_err();
            let text = format!("{error:#}");
            assert!(text.contains(expected), "{setting}: {text}");
        };
        check("train.epochs=0", "train.epochs");
        check("train.learning_rate=-1", "positive");
        check("train.patience=3", "data.holdout");
        check("train.learning_rat=0.1", "learning_rat");
        check("seed.x=1", "seed");
        check("nothing", "key.path=value");
        check(
            "distill={teacher='t',temperature=0,alpha=1}",
            "distill.temperature",
        );
        check(
            "distill={teacher='t',temperature=4,alpha=1.5}",
            "distill.alpha",
        );
        check("architecture.widths=[0]", "widths");
        check("augment.mixup=-1", "augment.mixup");
    }
}
