//! The building blocks of the convolutional networks.

use burn::{
    module::{Module, Param},
    nn::{
        BatchNorm, BatchNormConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, activation::relu},
};
use rand::rngs::StdRng;

use super::{architecture::CellKind, init};

/// A convolution without bias and the batch normalisation after it.
#[derive(Module, Debug)]
pub(super) struct ConvNorm {
    pub(super) conv: Conv2d,
    pub(super) norm: BatchNorm,
}

/// One cell; ReLU is part of it.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // a dozen per network, and burn derives modules without boxes
pub(super) enum Cell {
    Plain(ConvNorm),
    Residual(Residual),
    Depthwise(Depthwise),
}

/// Two convolutions with a shortcut, which is a 1×1 convolution if the sizes differ.
#[derive(Module, Debug)]
pub(super) struct Residual {
    pub(super) first: ConvNorm,
    pub(super) second: ConvNorm,
    pub(super) shortcut: Option<ConvNorm>,
}

/// A convolution within each channel, then one across channels.
#[derive(Module, Debug)]
pub(super) struct Depthwise {
    pub(super) spatial: ConvNorm,
    pub(super) across: ConvNorm,
    pub(super) shortcut: bool,
}

impl ConvNorm {
    /// `[in, out]` channels; the picture keeps its size at stride 1.
    pub(super) fn new(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
        rng: &mut StdRng,
        device: &Device,
    ) -> Self {
        let pad = kernel / 2;
        let mut conv = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_groups(groups)
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .init(device);
        let fan_in = channels[0] / groups * kernel * kernel;
        let shape = [channels[1], channels[0] / groups, kernel, kernel];
        conv.weight = Param::from_tensor(init::normal(shape, 2.0 / fan_in as f64, rng, device));
        Self {
            conv,
            norm: BatchNormConfig::new(channels[1]).init(device),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

impl Cell {
    pub(super) fn new(
        kind: CellKind,
        inputs: usize,
        outputs: usize,
        stride: usize,
        rng: &mut StdRng,
        device: &Device,
    ) -> Self {
        let same = inputs == outputs && stride == 1;
        match kind {
            CellKind::Plain => {
                Self::Plain(ConvNorm::new([inputs, outputs], 3, stride, 1, rng, device))
            }
            CellKind::Residual => Self::Residual(Residual {
                first: ConvNorm::new([inputs, outputs], 3, stride, 1, rng, device),
                second: ConvNorm::new([outputs, outputs], 3, 1, 1, rng, device),
                shortcut: (!same)
                    .then(|| ConvNorm::new([inputs, outputs], 1, stride, 1, rng, device)),
            }),
            CellKind::Depthwise => Self::Depthwise(Depthwise {
                spatial: ConvNorm::new([inputs, inputs], 3, stride, inputs, rng, device),
                across: ConvNorm::new([inputs, outputs], 1, 1, 1, rng, device),
                shortcut: same,
            }),
        }
    }

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Plain(conv) => relu(conv.forward(x)),
            Self::Residual(cell) => {
                let short = match &cell.shortcut {
                    Some(conv) => conv.forward(x.clone()),
                    None => x.clone(),
                };
                relu(cell.second.forward(relu(cell.first.forward(x))) + short)
            }
            Self::Depthwise(cell) => {
                let y = relu(cell.across.forward(relu(cell.spatial.forward(x.clone()))));
                if cell.shortcut { y + x } else { y }
            }
        }
    }
}
