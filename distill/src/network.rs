//! The networks that can be trained: multi-layer perceptrons and small convolutional networks.

mod architecture;
mod cells;
mod init;
mod to_onnx;

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, Linear, LinearConfig},
    tensor::{Device, Tensor, activation::relu},
};
use rand::{SeedableRng, rngs::StdRng};

pub use architecture::{Architecture, CellKind, Shape, Stage};

use cells::{Cell, ConvNorm};

/// A network with its weights.
#[derive(Module, Debug)]
pub struct Network {
    body: Body,
    picture: [usize; 3],
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // one per network
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

    /// Logits `[pictures, classes]` for input `[pictures, channels * height * width]`.
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
