//! The networks that can be trained here: multi-layer perceptrons and small convolutional networks.

mod cells;
mod init;
mod to_onnx;

use anyhow::{Result, ensure};
use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::relu},
};
use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use cells::{Cell, ConvNorm};

/// What a network looks like; input and output follow from the data.
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
        /// What follows it.
        stages: Vec<Stage>,
        /// Share of the last features dropped while training.
        #[serde(default)]
        dropout: f64,
    },
}

/// Some cells of the same width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// What is repeated.
    pub cell: CellKind,
    /// Channels that come out.
    pub channels: usize,
    /// Stride of the first of them.
    #[serde(default = "one")]
    pub stride: usize,
    /// How many.
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
    /// Two 3×3 convolutions beside a shortcut.
    Residual,
    /// A 3×3 convolution channel by channel, then a 1×1 across channels; beside a shortcut where sizes allow it.
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

    /// As people write it: `784-800-800-10`, or `stem 24, residual 36/2, residual 72/2, 10`.
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

/// The border of a network: pictures in, scores out.
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

/// A network with its weights.
#[derive(Module, Debug)]
pub struct Network {
    body: Body,
    picture: [usize; 3],
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one a network
enum Body {
    Mlp(Mlp),
    Cnn(Cnn),
}

#[derive(Module, Debug)]
struct Mlp {
    input_dropout: Dropout,
    dropout: Dropout,
    layers: Vec<Linear>,
}

#[derive(Module, Debug)]
struct Cnn {
    stem: ConvNorm,
    cells: Vec<Cell>,
    dropout: Dropout,
    head: Linear,
}

impl Network {
    /// A new network whose weights are drawn with `seed`: the same on every device.
    pub fn new(architecture: &Architecture, shape: Shape, seed: u64, device: &Device) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        let body = match architecture {
            Architecture::Mlp {
                widths,
                input_dropout,
                dropout,
            } => {
                let sizes = [&[shape.row_len()], widths.as_slice(), &[shape.classes]].concat();
                let layers = sizes
                    .windows(2)
                    .enumerate()
                    .map(|(i, pair)| {
                        let gain = if i + 2 == sizes.len() { 1.0 } else { 2.0 };
                        linear(pair[0], pair[1], gain, rng, device)
                    })
                    .collect();
                Body::Mlp(Mlp {
                    input_dropout: DropoutConfig::new(*input_dropout).init(),
                    dropout: DropoutConfig::new(*dropout).init(),
                    layers,
                })
            }
            Architecture::Cnn {
                stem,
                stages,
                dropout,
            } => {
                let mut channels = *stem;
                let mut cells = Vec::new();
                for stage in stages {
                    for i in 0..stage.repeat {
                        let stride = if i == 0 { stage.stride } else { 1 };
                        cells.push(Cell::new(
                            stage.cell,
                            channels,
                            stage.channels,
                            stride,
                            rng,
                            device,
                        ));
                        channels = stage.channels;
                    }
                }
                Body::Cnn(Cnn {
                    stem: ConvNorm::new([shape.picture[0], *stem], 3, 1, 1, rng, device),
                    cells,
                    dropout: DropoutConfig::new(*dropout).init(),
                    head: linear(channels, shape.classes, 1.0, rng, device),
                })
            }
        };
        Self {
            body,
            picture: shape.picture,
        }
    }

    /// Logits `[pictures, classes]` of `[pictures, channels * height * width]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        match &self.body {
            Body::Mlp(mlp) => mlp.forward(input),
            Body::Cnn(cnn) => {
                let [rows, _] = input.dims();
                let [channels, height, width] = self.picture;
                cnn.forward(input.reshape([rows, channels, height, width]))
            }
        }
    }

    /// Shrinks the weights that enter a hidden unit of a perceptron wherever their L2 norm exceeds `limit`.
    pub fn limit_weights(mut self, limit: f32) -> Self {
        if let Body::Mlp(mlp) = &mut self.body {
            let hidden = mlp.layers.len() - 1;
            for layer in &mut mlp.layers[..hidden] {
                layer.weight = layer
                    .weight
                    .clone()
                    .map(|weight| limit_columns(weight, limit));
            }
        }
        self
    }

    /// Adds `delta` to the bias of one class.
    pub fn raise_bias(mut self, class: usize, delta: f32) -> Self {
        let head = match &mut self.body {
            Body::Mlp(mlp) => mlp.layers.last_mut(),
            Body::Cnn(cnn) => Some(&mut cnn.head),
        };
        if let Some(bias) = head.and_then(|head| head.bias.as_mut()) {
            *bias = bias.clone().map(|bias| {
                let [classes] = bias.dims();
                let device = bias.device();
                let raise: Vec<f32> = (0..classes)
                    .map(|i| if i == class { delta } else { 0.0 })
                    .collect();
                bias + Tensor::from_floats(raise.as_slice(), &device)
            });
        }
        self
    }
}

fn limit_columns(weight: Tensor<2>, limit: f32) -> Tensor<2> {
    let plain = weight.inner();
    let norms = plain.clone().square().sum_dim(0).sqrt();
    let factors = (norms + 1e-12).recip().mul_scalar(limit).clamp_max(1.0);
    Tensor::from_inner(plain * factors).require_grad()
}

impl Mlp {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let mut x = self.input_dropout.forward(input);
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            if i < last {
                x = self.dropout.forward(relu(x));
            }
        }
        x
    }
}

impl Cnn {
    fn forward(&self, input: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.stem.forward(input));
        for cell in &self.cells {
            x = cell.forward(x);
        }
        let features: Tensor<2> = x.mean_dim(3).mean_dim(2).flatten(1, 3);
        self.head.forward(self.dropout.forward(features))
    }
}

fn linear(inputs: usize, outputs: usize, gain: f64, rng: &mut StdRng, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(inputs, outputs).init(device);
    layer.weight = Param::from_tensor(init::normal(
        [inputs, outputs],
        gain / inputs as f64,
        rng,
        device,
    ));
    layer.bias = Some(Param::from_tensor(Tensor::zeros([outputs], device)));
    layer
}
