//! From a decoded picture to a network's input: the manifest's `[transform]` table, and the pixels that result.

use serde::{Deserialize, Serialize};

use super::TransformError;

/// The colours a network reads, in its channel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// One channel of luma (Rec. 601, as decoders for photographs define it).
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red (Caffe's order).
    Bgr,
}

impl Color {
    /// 1 or 3.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::Bgr => 3,
        }
    }
}

/// How a picture of any size becomes one of the network's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Width and height independently: the whole picture, distorted.
    #[default]
    Stretch,
    /// The whole picture, undistorted, centred on a background of `pad`.
    FitPad,
    /// The shorter side is resized to `resize_to` (default: the network's size / 0.875), then the centre is cut out.
    Crop,
}

/// The resampling filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The nearest pixel.
    Nearest,
    /// The mean of the covered area.
    Box,
    /// Linear, widened when shrinking (as Pillow does): the usual choice.
    #[default]
    Bilinear,
    /// Catmull-Rom cubic.
    Bicubic,
    /// Lanczos with 3 lobes.
    Lanczos3,
}

/// Where the channels stand in the tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[N, channels, height, width]`; also for graphs that take `[N, channels * height * width]`.
    #[default]
    Nchw,
    /// `[N, height, width, channels]`.
    Nhwc,
}

/// Everything between a decoded picture and the numbers of a tensor:
/// `x = (byte * scale - mean[c]) / std[c]`, with bytes 0..=255.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// Channel order.
    pub color: Color,
    /// The network's width in pixels.
    pub width: u32,
    /// The network's height in pixels.
    pub height: u32,
    /// Layout of the tensor.
    #[serde(default)]
    pub layout: Layout,
    /// How the size is reached.
    #[serde(default)]
    pub resize: Resize,
    /// With `resize = "crop"`: the length in pixels to which the shorter side is brought before the crop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize_to: Option<u32>,
    /// With `resize = "fit-pad"`: the background, one byte for all channels.
    #[serde(default)]
    pub pad: u8,
    /// The resampling filter.
    #[serde(default)]
    pub filter: Filter,
    /// Multiplied first; 1/255 brings bytes to 0..=1.
    pub scale: f32,
    /// Subtracted second: one number a channel, in the network's channel order, or one for all.
    pub mean: Vec<f32>,
    /// Divided by last: one number a channel, in the network's channel order, or one for all.
    pub std: Vec<f32>,
}

impl Transform {
    /// The greatest width, height and `resize_to` in pixels.
    pub const MAX_SIDE: u32 = 4096;

    /// Bytes brought to 0..=1 and no further; everything that a manifest may leave out has its default.
    pub fn plain(color: Color, width: u32, height: u32) -> Self {
        Self {
            color,
            width,
            height,
            layout: Layout::default(),
            resize: Resize::default(),
            resize_to: None,
            pad: 0,
            filter: Filter::default(),
            scale: 1.0 / 255.0,
            mean: vec![0.0],
            std: vec![1.0],
        }
    }

    /// Whether this can be applied at all.
    ///
    /// # Errors
    /// The first [`TransformError`] found.
    pub fn validate(&self) -> Result<(), TransformError> {
        let resize_to = self.resize_to.map(|value| ("resize_to", value));
        for (name, value) in [("width", self.width), ("height", self.height)]
            .into_iter()
            .chain(resize_to)
        {
            if !(1..=Self::MAX_SIDE).contains(&value) {
                return Err(TransformError::Size {
                    name,
                    value,
                    max: Self::MAX_SIDE,
                });
            }
        }
        if let Some(resize_to) = self.resize_to {
            let side = self.width.max(self.height);
            match self.resize {
                Resize::Crop if resize_to < side => {
                    return Err(TransformError::CropOutside { resize_to, side });
                }
                Resize::Crop => {}
                Resize::Stretch | Resize::FitPad => {
                    return Err(TransformError::ResizeToWithoutCrop);
                }
            }
        }
        let channels = self.color.channels();
        for (name, numbers) in [("mean", &self.mean), ("std", &self.std)] {
            if numbers.len() != 1 && numbers.len() != channels {
                return Err(TransformError::Count {
                    name,
                    found: numbers.len(),
                    channels,
                });
            }
        }
        let number = |name, value: f32, rule| Err(TransformError::Number { name, value, rule });
        if !self.scale.is_finite() || self.scale == 0.0 {
            return number("scale", self.scale, "it must be finite and not zero");
        }
        if let Some(value) = self.mean.iter().find(|value| !value.is_finite()) {
            return number("mean", *value, "it must be finite");
        }
        // A subnormal divisor would make infinities of finite pixels.
        if let Some(value) = self.std.iter().find(|value| !value.is_normal()) {
            return number("std", *value, "it must be finite and not zero");
        }
        Ok(())
    }

    /// Whether both make the same pixels of every picture; what is then made of the pixels may differ.
    pub fn makes_the_same_pixels(&self, other: &Self) -> bool {
        let own = (
            self.color,
            self.width,
            self.height,
            self.resize,
            self.filter,
        );
        let others = (
            other.color,
            other.width,
            other.height,
            other.resize,
            other.filter,
        );
        let background = self.resize != Resize::FitPad || self.pad == other.pad;
        own == others && background && self.resize_to == other.resize_to
    }

    /// The shape of one tensor row: `[channels, height, width]` or `[height, width, channels]`.
    pub fn tensor_shape(&self) -> Vec<usize> {
        let (height, width) = (self.height as usize, self.width as usize);
        match self.layout {
            Layout::Nchw => vec![self.color.channels(), height, width],
            Layout::Nhwc => vec![height, width, self.color.channels()],
        }
    }

    /// Numbers in one tensor row: width * height * channels.
    pub fn row_len(&self) -> usize {
        self.width as usize * self.height as usize * self.color.channels()
    }
}
