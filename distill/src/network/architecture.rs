//! The description of a network: its layers, and the shapes of its input and output.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// The layers of a network; the shapes of input and output follow from the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Architecture {
    /// Fully connected layers with ReLU between them.
    Mlp {
        /// Units of each hidden layer.
        widths: Vec<usize>,
        /// Share of input pixels dropped while training.
        #[serde(default)]
        input_dropout: f64,
        /// Share of hidden units dropped while training.
        #[serde(default)]
        dropout: f64,
    },
    /// A 3×3 convolution, stages of cells, the mean over all places, one linear layer.
    Cnn {
        /// Channels of the first convolution.
        stem: usize,
        /// The stages after it.
        stages: Vec<Stage>,
        /// Share of the last features dropped while training.
        #[serde(default)]
        dropout: f64,
    },
}

/// Several cells of the same width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Kind of the cells.
    pub cell: CellKind,
    /// Output channels.
    pub channels: usize,
    /// Stride of the first cell.
    #[serde(default = "one")]
    pub stride: usize,
    /// Number of cells.
    #[serde(default = "one")]
    pub repeat: usize,
}

fn one() -> usize {
    1
}

/// The building blocks; batch normalisation and ReLU belong to each convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// One 3×3 convolution.
    Plain,
    /// Two 3×3 convolutions with a shortcut.
    Residual,
    /// A 3×3 convolution channel by channel, then a 1×1 across channels; with a shortcut if the sizes allow it.
    Depthwise,
}

impl Architecture {
    /// # Errors
    /// Widths of 0 and dropout outside `[0, 1)`.
    pub fn check(&self) -> Result<()> {
        let share = |name: &str, value: f64| {
            ensure!(
                (0.0..1.0).contains(&value),
                "architecture.{name} = {value} must lie in [0, 1)"
            );
            Ok(())
        };
        match self {
            Self::Mlp {
                widths,
                input_dropout,
                dropout,
            } => {
                ensure!(
                    widths.iter().all(|&width| width > 0),
                    "architecture.widths must all be at least 1"
                );
                share("input_dropout", *input_dropout)?;
                share("dropout", *dropout)
            }
            Self::Cnn {
                stem,
                stages,
                dropout,
            } => {
                let sound =
                    |stage: &Stage| stage.channels > 0 && stage.stride > 0 && stage.repeat > 0;
                ensure!(*stem > 0, "architecture.stem must be at least 1");
                ensure!(
                    stages.iter().all(sound),
                    "architecture.stages: channels, stride and repeat must all be at least 1"
                );
                share("dropout", *dropout)
            }
        }
    }

    /// A short notation: `784-800-800-10`, or `stem 24, residual 36/2, residual 72/2, 10`.
    pub fn describe(&self, inputs: usize, classes: usize) -> String {
        match self {
            Self::Mlp { widths, .. } => {
                let all = [&[inputs], widths.as_slice(), &[classes]].concat();
                all.iter()
                    .map(usize::to_string)
                    .collect::<Vec<_>>()
                    .join("-")
            }
            Self::Cnn { stem, stages, .. } => {
                let mut parts = vec![format!("stem {stem}")];
                for stage in stages {
                    let repeat = if stage.repeat > 1 {
                        format!("{}x ", stage.repeat)
                    } else {
                        String::new()
                    };
                    let stride = if stage.stride > 1 {
                        format!("/{}", stage.stride)
                    } else {
                        String::new()
                    };
                    let kind = format!("{:?}", stage.cell).to_lowercase();
                    parts.push(format!("{repeat}{kind} {}{stride}", stage.channels));
                }
                parts.push(classes.to_string());
                parts.join(", ")
            }
        }
    }
}

/// Shapes of a network's input and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Channels, height and width of a picture.
    pub picture: [usize; 3],
    /// Number of labels.
    pub classes: usize,
}

impl Shape {
    /// Numbers in one picture.
    pub fn row_len(&self) -> usize {
        self.picture.iter().product()
    }
}
