//! The pure Rust back end: zune-jpeg where no chroma has to be interpolated, jpeg-decoder for reduced pictures,
//! [`exact`](super::exact) for the rest.
//!
//! zune-jpeg 0.5.15 is fast, but interpolates chroma in another way than libjpeg (up to 63 of 255 apart on hard edges), and
//! gives wrong pixels for baseline JPEGs whose channels come one after the other. jpeg-decoder 0.3.2 reads too many blocks
//! of a channel whose sampling is neither the greatest nor 1. See the tests `jpeg_kinds` and `conformance`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_decoder::ColorTransform;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

#[cfg(not(feature = "turbojpeg"))]
use super::frame::Outline;
use super::{DecodeOptions, Frame, Model, exact};
use crate::{Color, Format, ImageError, Picture, picture::Samples};

/// Decodes to gray or RGB; gray only where the options or the file demands it.
pub(super) fn decode(frame: &Frame<'_>, options: DecodeOptions) -> Result<Picture, ImageError> {
    // Both decoders have indexed out of bounds in the past: a panic is damage, not an outage.
    catch_unwind(AssertUnwindSafe(|| {
        if options.denominator > 1 && is_reducible(frame) {
            reduced(frame, options)
        } else if is_fast(frame, options.gray) {
            fast(frame, options.gray)
        } else {
            exact::decode(frame, options.gray)
        }
    }))
    .unwrap_or_else(|_| Err(corrupt("its coded data makes no sense")))
}

fn corrupt(reason: impl ToString) -> ImageError {
    ImageError::corrupt(Format::Jpeg, reason)
}

/// Bytes for each pixel it makes, and for what they are made of: in full size coefficients and samples of [`exact`], in less the
/// coefficients where they come in several scans.
#[cfg(not(feature = "turbojpeg"))]
pub(super) fn memory(outline: &Outline, color: Color, denominator: u32) -> (u64, u64) {
    let gray = u64::from(color == Color::Gray);
    let samples = outline.header.padded_samples();
    let channels = outline.header.channels.len() as u64;
    let is_full = outline.header.channels.iter().all(|c| (c.h, c.v) == (1, 1));
    match denominator {
        // zune-jpeg's. It also makes luma of other samplings, but what means luma isn't known yet.
        1 if is_full && channels < 4 && !outline.has_several_scans => (3 + gray, 0),
        1 => (3 + gray, 3 * samples),
        // Each channel's samples, and the pixels.
        _ if outline.has_several_scans => (2 * channels + gray, 2 * samples),
        _ => (2 * channels + gray, 0),
    }
}

/// Whether each pixel has samples of its own in all channels that are needed, sent in one scan.
fn is_fast(frame: &Frame<'_>, gray: bool) -> bool {
    let header = &frame.header;
    let first = frame.scans.first().map(|coded| coded.scan.channels.len());
    let only_luma = frame.model == Model::Luma || gray && frame.model == Model::YCbCr;
    let is_full = header.channels.iter().all(|c| (c.h, c.v) == (1, 1));
    first == Some(header.channels.len())
        && !matches!(frame.model, Model::Cmyk | Model::Ycck)
        && (is_full || only_luma && header.usually_sampled())
}

fn is_reducible(frame: &Frame<'_>) -> bool {
    let (h_most, v_most) = frame.header.most();
    let plain = |factor, most| factor == 1 || factor == most;
    let mut channels = frame.header.channels.iter();
    channels.all(|c| plain(c.h, h_most) && plain(c.v, v_most))
}

fn fast(frame: &Frame<'_>, gray: bool) -> Result<Picture, ImageError> {
    let (color, space) = match frame.model {
        Model::Luma => (Color::Gray, ColorSpace::Luma),
        Model::YCbCr if gray => (Color::Gray, ColorSpace::Luma),
        _ => (Color::Rgb, ColorSpace::RGB),
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        // The limits were checked before; what remains is what the format can say.
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(usize::MAX)
        .jpeg_set_out_colorspace(space);
    let clean = frame.clean();
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&clean[..]), options);
    let samples = Samples::whole(decoder.decode().map_err(corrupt)?);
    let (width, height) = frame.size();
    if samples.len() != width as usize * height as usize * color.channels() {
        return Err(corrupt("its coded data and its header differ in size"));
    }
    Ok(Picture::decoded(width, height, color, samples))
}

fn reduced(frame: &Frame<'_>, options: DecodeOptions) -> Result<Picture, ImageError> {
    let clean = frame.clean();
    let mut decoder = jpeg_decoder::Decoder::new(&clean[..]);
    match frame.model {
        Model::YCbCr if !options.gray => decoder.set_color_transform(ColorTransform::YCbCr),
        // The channels as they are; of luma and chroma the first is picked below.
        Model::YCbCr | Model::Rgb => decoder.set_color_transform(ColorTransform::RGB),
        Model::Luma | Model::Cmyk | Model::Ycck => {}
    }
    let (width, height) = frame.size();
    let width = width.div_ceil(options.denominator);
    let height = height.div_ceil(options.denominator);
    let scaled = decoder
        .scale(width as u16, height as u16)
        .map_err(corrupt)?;
    // It would choose a smaller size where a side came down to one pixel, which the margin excludes.
    debug_assert_eq!((u32::from(scaled.0), u32::from(scaled.1)), (width, height));
    let samples = Samples::whole(decoder.decode().map_err(corrupt)?);
    let (color, samples) = match frame.model {
        Model::Luma => (Color::Gray, samples),
        Model::YCbCr if options.gray => (Color::Gray, samples.map(|[luma, _, _]| [luma])),
        _ => (Color::Rgb, samples),
    };
    Ok(Picture::decoded(width, height, color, samples))
}
