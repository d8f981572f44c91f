//! How much memory a picture takes while it is decoded, known before.

use super::{Format, Header, Limits, Resize, Transform, jpeg, png, resize::LONGEST, webp};

/// What a decoder allocates for one picture.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outline {
    /// Width and height in pixels of what it makes, as stored.
    pub(super) size: (u32, u32),
    /// Whether the sides change places.
    pub(super) is_turned: bool,
    /// Bytes of each of those pixels, intermediate ones that exist at the same time included.
    pub(super) bytes_a_pixel: u64,
    /// Bytes of what isn't pixels: a clean copy of the file, coefficients.
    pub(super) other_bytes: u64,
}

/// An upper bound of the bytes that [`decode`](super::decode) and [`Transform::apply`] hold at the same time for a picture that
/// is within the limits. What doesn't grow with the picture isn't counted.
pub fn working_bytes(bytes: &[u8], header: &Header, limits: &Limits, target: &Transform) -> u64 {
    // What has no outline is refused before any pixel is made.
    let outline = match header.format {
        Format::Png => png::outline(bytes, target.color),
        Format::Jpeg => jpeg::outline(bytes, limits, target),
        Format::WebP => webp::outline(bytes, target.color),
    };
    let outline = outline.unwrap_or_default();
    let (width, height) = outline.size;
    let pixels = u64::from(width) * u64::from(height);
    let channels = target.color.channels() as u64;
    let turned = if outline.is_turned { channels } else { 0 };
    let (columns, rows) = match outline.is_turned {
        true => (height, width),
        false => (width, height),
    };
    let upright = match outline.is_turned {
        true => (header.height, header.width),
        false => (header.width, header.height),
    };
    pixels * (outline.bytes_a_pixel + turned)
        + outline.other_bytes
        + channels * resized_pixels(target, upright, columns)
        + WEIGHT_BYTES * (u64::from(columns) + u64::from(rows))
}

/// Bytes of weights for each column and row that is resized: two of eight bytes, and as many of two.
const WEIGHT_BYTES: u64 = 24;

/// Pixels of the resize: of its first pass, which changes the height alone, of its second, and of the network.
fn resized_pixels(target: &Transform, (width, height): (u32, u32), columns: u32) -> u64 {
    if width == 0 || height == 0 {
        return 0;
    }
    let (to_width, to_height) = target.resized(width, height);
    let (most, kept) = match target.resize {
        Resize::Crop => (
            target.shorter_side().saturating_mul(LONGEST),
            height.saturating_mul(LONGEST),
        ),
        Resize::Stretch | Resize::FitPad => (u32::MAX, u32::MAX),
    };
    let [to_width, to_height, columns] =
        [to_width.min(most), to_height.min(most), columns.min(kept)].map(u64::from);
    let network = u64::from(target.width) * u64::from(target.height);
    columns * to_height + to_width * to_height + 2 * network
}
