//! JPEG: all of it is read and checked here, then one of two back ends makes pixels of a clean copy, at a fraction of the
//! size where that is enough.
//!
//! ```text
//! segments ─┬─ tables, start_of_frame, scan ──▶ frame ──▶ clean ──▶ turbo, or pure
//!           └─ bits ─▶ huffman ─▶ whole ────────┘
//!                         └─ runs, lanes ─┘
//! ```

mod bits;
mod clean;
#[cfg(any(test, not(feature = "turbojpeg")))]
mod exact;
mod frame;
mod huffman;
mod lanes;
#[cfg(any(test, not(feature = "turbojpeg")))]
mod pure;
mod runs;
mod scan;
mod segments;
mod start_of_frame;
mod tables;
#[cfg(feature = "turbojpeg")]
mod turbo;
mod whole;

#[cfg(not(feature = "turbojpeg"))]
use pure as backend;
#[cfg(feature = "turbojpeg")]
use turbo as backend;

use self::frame::{Frame, Model};
use super::{Color, Filter, ImageError, Limits, Picture, Transform, exif::Orientation, memory};

pub(super) use self::start_of_frame::size;

/// How many times as large as the resize needs a reduced picture must be, in both directions.
///
/// See the measurements in the documentation of [`image`](super): at 1 the network's pixels would differ three times
/// as much from those of a full decode.
const MARGIN: u32 = 2;

/// Whether luma alone is reduced: zune-jpeg makes all of its pixels in the time that jpeg-decoder takes for fewer.
const REDUCES_GRAY: bool = cfg!(feature = "turbojpeg");

/// How a back end decodes.
#[derive(Clone, Copy, Debug)]
struct DecodeOptions {
    /// Luma is enough.
    gray: bool,
    /// Both sides are divided by this, rounded up: 1, 2, 4 or 8.
    denominator: u32,
}

/// Decodes all scans, to gray where the target is gray, otherwise to gray or RGB as it is stored.
pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    target: &Transform,
) -> Result<Picture, ImageError> {
    let frame = Frame::read(bytes, limits)?;
    let gray = target.color == Color::Gray;
    let options = DecodeOptions {
        gray,
        denominator: denominator(&frame, limits, target),
    };
    let picture = backend::decode(&frame, options)?;
    let full_size = frame.size();
    let picture = if (picture.width(), picture.height()) == full_size {
        picture
    } else {
        picture.reduced_from(full_size, options.denominator)
    };
    let picture = if options.gray {
        picture.into_gray()
    } else {
        picture
    };
    Ok(picture.upright(frame.orientation))
}

/// Reads all segments and all coded data, and makes no pixels.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<(), ImageError> {
    Frame::read(bytes, limits).map(|_| ())
}

/// What decoding will allocate; none where it will be refused.
pub(super) fn outline(
    bytes: &[u8],
    limits: &Limits,
    target: &Transform,
) -> Option<memory::Outline> {
    let outline = frame::Outline::read(bytes).ok()?;
    let (header, orientation) = (&outline.header, outline.orientation);
    // Which of them mean luma is known only at the end; it takes less.
    let may_be_luma = header.channels.len() == 1 || target.color == Color::Gray;
    let denominator = match header.channels.len() {
        4 => 1,
        _ if !limits.jpeg_reduction || may_be_luma && !REDUCES_GRAY => 1,
        _ => greatest_division((header.width, header.height), orientation, target),
    };
    let (bytes_a_pixel, made_of) = backend::memory(&outline, target.color, denominator);
    // Which coefficients of a block aren't zero, while later scans are checked.
    let nonzero = header.padded_samples() / 8;
    Some(memory::Outline {
        size: (
            header.width.div_ceil(denominator),
            header.height.div_ceil(denominator),
        ),
        is_turned: orientation.swaps_sides(),
        bytes_a_pixel,
        // The clean copy, and what came before it.
        other_bytes: bytes.len() as u64 + made_of.max(nonzero),
    })
}

/// 1 for CMYK, which is rare and stays simple, and where luma alone isn't reduced.
fn denominator(frame: &Frame<'_>, limits: &Limits, target: &Transform) -> u32 {
    let is_luma = match frame.model {
        Model::Cmyk | Model::Ycck => return 1,
        Model::Luma => true,
        Model::YCbCr => target.color == Color::Gray,
        Model::Rgb => false,
    };
    if !limits.jpeg_reduction || is_luma && !REDUCES_GRAY {
        return 1;
    }
    greatest_division(frame.size(), frame.orientation, target)
}

/// The greatest division that leaves [`MARGIN`] times what the target's resize needs.
///
/// 1 for [`Filter::Nearest`], which asks for pixels and not for means.
fn greatest_division(
    (mut width, mut height): (u32, u32),
    orientation: Orientation,
    target: &Transform,
) -> u32 {
    if target.filter == Filter::Nearest {
        return 1;
    }
    if orientation.swaps_sides() {
        std::mem::swap(&mut width, &mut height);
    }
    let (needed_width, needed_height) = target.resized(width, height);
    let enough = |denominator: u32| {
        width.div_ceil(denominator) >= needed_width.saturating_mul(MARGIN)
            && height.div_ceil(denominator) >= needed_height.saturating_mul(MARGIN)
    };
    [8, 4, 2].into_iter().find(|d| enough(*d)).unwrap_or(1)
}

/// Red, green and blue of inverted CMYK, as Adobe stores it: `c * k / 255`, rounded, and so on.
fn ink_on_white([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * u32::from(k) + 128;
        ((product + (product >> 8)) >> 8) as u8
    })
}

/// Full size, on the pure back end and on libjpeg-turbo.
#[cfg(all(test, feature = "turbojpeg"))]
pub(crate) fn both_back_ends(bytes: &[u8], gray: bool) -> [Result<Picture, ImageError>; 2] {
    let options = DecodeOptions {
        gray,
        denominator: 1,
    };
    let limits = Limits {
        max_pixels: 1 << 20,
        ..Limits::default()
    };
    [pure::decode, turbo::decode].map(|decode| {
        limits.check(&crate::probe(bytes)?)?;
        let picture = decode(&Frame::read(bytes, &limits)?, options)?;
        Ok(if gray { picture.into_gray() } else { picture })
    })
}

/// Full size, by [`exact`] and by libjpeg-turbo.
#[cfg(all(test, feature = "turbojpeg"))]
pub(crate) fn own_and_libjpeg(bytes: &[u8], gray: bool) -> [Picture; 2] {
    let frame = Frame::read(bytes, &Limits::default()).unwrap();
    let options = DecodeOptions {
        gray,
        denominator: 1,
    };
    [
        exact::decode(&frame, gray).unwrap(),
        turbo::decode(&frame, options).unwrap(),
    ]
}

#[cfg(all(test, feature = "turbojpeg"))]
mod tests {
    use super::*;
    use crate::tests::{difference, fixture, fixtures, target};

    #[test]
    fn both_back_ends_make_the_same_picture() {
        for name in fixtures(&[".jpg"]) {
            let bytes = fixture(&name);
            let frame = Frame::read(&bytes, &Limits::default()).unwrap();
            for gray in [false, true] {
                let options = DecodeOptions {
                    gray,
                    denominator: 1,
                };
                let one = pure::decode(&frame, options).unwrap();
                let other = turbo::decode(&frame, options).unwrap();
                assert_eq!(
                    (one.width(), one.height(), one.color()),
                    (other.width(), other.height(), other.color()),
                    "{name}"
                );
                let (mean, most) = difference(one.bytes(), other.bytes());
                assert!(
                    mean < 0.4 && most <= 4,
                    "{name}: {mean:.3} on average, {most} at most"
                );
            }
        }
    }

    /// Of subsampled chroma, libjpeg keeps up to twice the resolution when it reduces.
    #[test]
    fn both_back_ends_reduce_to_the_same_pixels() {
        for name in ["large.jpg", "large_progressive.jpg"] {
            let bytes = fixture(name);
            let frame = Frame::read(&bytes, &Limits::default()).unwrap();
            for (color, width, height, denominator) in [
                (Color::Rgb, 30, 22, 8),
                (Color::Rgb, 60, 44, 4),
                (Color::Rgb, 119, 89, 2),
            ] {
                let target = target(color, width, height);
                let options = DecodeOptions {
                    gray: false,
                    denominator: super::denominator(&frame, &Limits::default(), &target),
                };
                assert_eq!(options.denominator, denominator);
                let [one, other] = [pure::decode, turbo::decode].map(|decode| {
                    let picture = decode(&frame, options).unwrap();
                    target.apply(picture.reduced_from(frame.size(), denominator))
                });
                let (mean, most) = difference(one.bytes(), other.bytes());
                assert!(
                    mean < 1.6 && most <= 32,
                    "{name} at 1/{denominator}: {mean:.3} on average, {most} at most"
                );
            }
        }
    }
}
