//! What can be wrong with a picture, and what can be wrong with a transform.

use super::Format;
#[cfg(doc)]
use super::Transform;

/// Why bytes did not become a network's input. Messages are written for the client that sent the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// No bytes at all.
    #[error("the image is empty: send the bytes of a PNG, JPEG or WebP picture")]
    Empty,
    /// Recognised, or not, but nothing that is decoded here.
    #[error(
        "{found} can't be read: send a still picture as PNG, JPEG (Huffman-coded, 8 bits) or WebP"
    )]
    Unsupported {
        /// What the bytes look like, with its article: `an animated WebP`.
        found: &'static str,
    },
    /// More bytes than [`Limits::max_bytes`](super::Limits::max_bytes).
    #[error(
        "the image has {bytes} bytes, the limit is {limit_bytes}: send it smaller or compress it more"
    )]
    TooManyBytes {
        /// Length of the body or part, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The header announces more pixels than the limits allow. Nothing was decoded.
    #[error(
        "the image is {width} x {height} pixels, the limits are {limit_pixels} pixels and {limit_side} a side: send it smaller"
    )]
    TooLarge {
        /// Width in pixels, as the header says.
        width: u32,
        /// Height in pixels, as the header says.
        height: u32,
        /// [`Limits::max_pixels`](super::Limits::max_pixels).
        limit_pixels: u64,
        /// [`Limits::max_side`](super::Limits::max_side).
        limit_side: u32,
    },
    /// A JPEG with more scans than any encoder writes: each costs a walk over all pixels.
    #[error("the JPEG has more than {limit} scans: save it again as a baseline JPEG")]
    TooManyScans {
        /// [`Limits::max_scans`](super::Limits::max_scans).
        limit: usize,
    },
    /// More parts around the pixels than any program writes.
    #[error("the {format} has more than {limit} segments: save it again without metadata")]
    TooManySegments {
        /// The sniffed format.
        format: Format,
        /// How many are allowed.
        limit: usize,
    },
    /// So many pixels from so few bytes that only a file made for it, or a single colour, has.
    #[error(
        "the image is {width} x {height} pixels in {bytes} bytes, which is no photograph: send it smaller"
    )]
    TooDense {
        /// Width in pixels, as the header says.
        width: u32,
        /// Height in pixels, as the header says.
        height: u32,
        /// Length of the coded pixels.
        bytes: usize,
    },
    /// Truncated, damaged, or not what its header says. Never answered from the part that can be read.
    #[error("the {format} is damaged: {reason}")]
    Corrupt {
        /// The sniffed format.
        format: Format,
        /// What was found.
        reason: String,
    },
    /// Numbers instead of a picture, but not as many as the network takes.
    #[error("the input has {found} numbers, the network takes {expected}")]
    WrongCount {
        /// Numbers of one input row.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// A number that is NaN or infinite (or was before it became an `f32`).
    #[error("input number {index} is not finite: send numbers within the range of a 32-bit float")]
    NotFinite {
        /// Position in the row, from 0.
        index: usize,
    },
}

impl ImageError {
    pub(super) fn corrupt(format: Format, reason: impl ToString) -> Self {
        Self::Corrupt {
            format,
            reason: reason.to_string(),
        }
    }

    pub(super) fn truncated(format: Format) -> Self {
        Self::corrupt(format, "it ends too early")
    }
}

/// Why a [`Transform`] can't be applied: a manifest's or an operator's mistake.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TransformError {
    /// A network of no pixels, or of too many.
    #[error("{name} is {value}: it must lie between 1 and {max} pixels")]
    Size {
        /// `width`, `height` or `resize_to`.
        name: &'static str,
        /// As written.
        value: u32,
        /// The greatest that is allowed.
        max: u32,
    },
    /// Neither one number for all channels nor one each.
    #[error(
        "{name} has {found} numbers: it must have 1 (for all channels) or {channels} (one a channel)"
    )]
    Count {
        /// `mean` or `std`.
        name: &'static str,
        /// Numbers given.
        found: usize,
        /// Channels of the transform's colour.
        channels: usize,
    },
    /// A NaN, an infinity, or a division by zero.
    #[error("{name} is {value}: {rule}")]
    Number {
        /// `scale`, `mean` or `std`.
        name: &'static str,
        /// As written.
        value: f32,
        /// What would be right.
        rule: &'static str,
    },
    /// The centre that `resize = "crop"` cuts out would stick out of the resized picture.
    #[error(
        "resize_to is {resize_to}: with resize = \"crop\" it must be at least the network's longer side, {side}"
    )]
    CropOutside {
        /// As written.
        resize_to: u32,
        /// The longer of [`Transform::width`] and [`Transform::height`].
        side: u32,
    },
    /// `resize_to` belongs to `resize = "crop"` and would be ignored.
    #[error("resize_to only has a meaning with resize = \"crop\": remove it or set that")]
    ResizeToWithoutCrop,
}
