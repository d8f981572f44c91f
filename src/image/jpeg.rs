//! JPEG: a walk over the markers first, then one of two back ends, at a fraction of the size where that is enough.

mod markers;
#[cfg(any(test, not(feature = "turbojpeg")))]
mod pure;
#[cfg(feature = "turbojpeg")]
mod turbo;

#[cfg(not(feature = "turbojpeg"))]
use pure as backend;
#[cfg(feature = "turbojpeg")]
use turbo as backend;

use self::markers::{Frame, Model};
use super::{Color, Filter, ImageError, Limits, Picture, Transform};

pub(super) use self::markers::size;

/// How many times as large as the resize needs a reduced picture must be, in both directions.
///
/// See the measurements in the documentation of [`image`](super): at 2 the network's pixels differ by 0.2 of 255 on
/// average from those of a full decode, at 1 by 0.6.
const MARGIN: u32 = 2;

/// What a back end is asked for.
#[derive(Clone, Copy, Debug)]
struct Order {
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
    let order = Order {
        gray: target.color == Color::Gray,
        denominator: if limits.jpeg_reduction {
            denominator(&frame, target)
        } else {
            1
        },
    };
    let picture = backend::decode(&bytes[..frame.end], &frame, order)?;
    let picture = if order.gray {
        picture.into_gray()
    } else {
        picture
    };
    Ok(picture.upright(frame.orientation))
}

/// The greatest division that leaves [`MARGIN`] times what the target's resize needs.
///
/// 1 for [`Filter::Nearest`], which asks for pixels and not for means, and for CMYK, which one back end can't reduce.
fn denominator(frame: &Frame, target: &Transform) -> u32 {
    if target.filter == Filter::Nearest || frame.model == Model::Cmyk {
        return 1;
    }
    let (mut width, mut height) = (frame.width, frame.height);
    if frame.orientation.swaps_sides() {
        std::mem::swap(&mut width, &mut height);
    }
    let (needed_width, needed_height) = target.resized(width, height);
    let enough = |denominator: u32| {
        width.div_ceil(denominator) >= needed_width.saturating_mul(MARGIN)
            && height.div_ceil(denominator) >= needed_height.saturating_mul(MARGIN)
    };
    [8, 4, 2].into_iter().find(|d| enough(*d)).unwrap_or(1)
}
