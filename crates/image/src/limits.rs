//! How much one picture may cost.

use serde::{Deserialize, Serialize};

use super::{Header, ImageError};

/// Segments of a JPEG with the tables in them, chunks of a WebP, chunks of a PNG apart from its pixels' ones. The largest file
/// that is allowed by default has 320 full segments; a thousand times as many tiny ones would take longer than the pixels.
pub(super) const MAX_SEGMENTS: usize = 1024;

/// Bounds on one picture, all checked before anything is decoded.
///
/// What they buy, at the defaults: the most expensive picture that passes takes 0.5 GB and some seconds of one core (a
/// progressive JPEG of 50 megapixels without subsampling and as many scans as are allowed; measured). On a small
/// machine lower `max_pixels`: memory and time are proportional to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one encoded picture. Default 20 MiB: a 50-megapixel photograph at high quality.
    pub max_bytes: usize,
    /// Width times height. Default 50 000 000: the full resolution of common phone cameras (8000 x 6000 = 48 million),
    /// while a 50 000 x 50 000 bomb is 50 times over.
    pub max_pixels: u64,
    /// The longer side in pixels. Default 65 535, the most that JPEG can say; a 1 x 65 535 strip is allowed.
    pub max_side: u32,
    /// Scans of one JPEG. Default 32: encoders write 1 (baseline) to about 12 (progressive); every further scan costs
    /// a walk over the whole picture for a few bytes.
    pub max_scans: usize,
    /// Whether large JPEGs are decoded at 1/2, 1/4 or 1/8 of their size where the network needs no more than half of
    /// what remains. Default true; what it saves and what it changes is measured in the documentation of
    /// [`image`](super).
    pub jpeg_reduction: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 20 << 20,
            max_pixels: 50_000_000,
            max_side: 65_535,
            max_scans: 32,
            jpeg_reduction: true,
        }
    }
}

impl Limits {
    /// Whether so many bytes are allowed.
    ///
    /// # Errors
    /// [`ImageError::TooManyBytes`].
    pub fn check_bytes(&self, bytes: usize) -> Result<(), ImageError> {
        if bytes <= self.max_bytes {
            return Ok(());
        }
        Err(ImageError::TooManyBytes {
            bytes,
            limit_bytes: self.max_bytes,
        })
    }

    /// Whether a picture of these dimensions is allowed.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`].
    pub fn check(&self, header: &Header) -> Result<(), ImageError> {
        let (width, height) = (header.width, header.height);
        if width.max(height) <= self.max_side && header.pixels() <= self.max_pixels {
            return Ok(());
        }
        Err(ImageError::TooLarge {
            width,
            height,
            limit_pixels: self.max_pixels,
            limit_side: self.max_side,
        })
    }
}
