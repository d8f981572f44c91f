//! The pure Rust back end: zune-jpeg for usual JPEGs in full, jpeg-decoder for unusual and for reduced ones.
//!
//! zune-jpeg 0.5.15 is much faster, but gives wrong pixels without an error for some sampling (4:4:0, 4:1:1, 4:1:0) and
//! for baseline JPEGs whose channels come one after the other: see the tests `jpeg_kinds`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_decoder::ColorTransform;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{DecodeOptions, Frame, Model, ink_on_white};
use crate::{Color, Format, ImageError, Picture};

/// Decodes to gray or RGB; gray only where the options or the file demands it.
pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    options: DecodeOptions,
) -> Result<Picture, ImageError> {
    // Both decoders have indexed out of bounds on damaged files in the past: a panic is damage, not an outage.
    catch_unwind(AssertUnwindSafe(|| {
        if options.denominator == 1 && frame.usual {
            fast(bytes, frame, options.gray)
        } else {
            thorough(bytes, frame, options)
        }
    }))
    .unwrap_or_else(|_| Err(corrupt("its coded data makes no sense")))
}

fn corrupt(reason: impl ToString) -> ImageError {
    ImageError::corrupt(Format::Jpeg, reason)
}

fn fast(bytes: &[u8], frame: &Frame, gray: bool) -> Result<Picture, ImageError> {
    let (color, space) = match frame.model {
        Model::Luma => (Color::Gray, ColorSpace::Luma),
        Model::YCbCr if gray => (Color::Gray, ColorSpace::Luma),
        Model::YCbCr | Model::Rgb | Model::Cmyk => (Color::Rgb, ColorSpace::RGB),
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        // The limits were checked before; what remains is what the format can say.
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(usize::MAX)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let pixels = decoder.decode().map_err(corrupt)?;
    let expected = frame.width as usize * frame.height as usize * color.channels();
    if pixels.len() != expected {
        return Err(corrupt("its coded data and its header differ in size"));
    }
    Ok(Picture::new(frame.width, frame.height, color, pixels))
}

fn thorough(bytes: &[u8], frame: &Frame, options: DecodeOptions) -> Result<Picture, ImageError> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    match frame.model {
        Model::YCbCr if !options.gray => decoder.set_color_transform(ColorTransform::YCbCr),
        // The channels as they are; of luma and chroma the first is picked below.
        Model::YCbCr | Model::Rgb => decoder.set_color_transform(ColorTransform::RGB),
        Model::Luma | Model::Cmyk => {}
    }
    let width = frame.width.div_ceil(options.denominator);
    let height = frame.height.div_ceil(options.denominator);
    if options.denominator > 1 {
        let scaled = decoder
            .scale(width as u16, height as u16)
            .map_err(refused)?;
        // It would choose a smaller size where a side came down to one pixel, which the margin excludes.
        debug_assert_eq!((u32::from(scaled.0), u32::from(scaled.1)), (width, height));
    }
    let mut pixels = decoder.decode().map_err(refused)?;
    let color = match frame.model {
        Model::Luma => Color::Gray,
        Model::YCbCr if options.gray => {
            let ycbcr = pixels.as_chunks::<3>().0;
            pixels = ycbcr.iter().map(|pixel| pixel[0]).collect();
            Color::Gray
        }
        Model::YCbCr | Model::Rgb => Color::Rgb,
        Model::Cmyk => {
            let cmyk = pixels.as_chunks::<4>().0;
            pixels = cmyk
                .iter()
                .flat_map(|inks| ink_on_white(inks.map(|ink| 255 - ink)))
                .collect();
            Color::Rgb
        }
    };
    Ok(Picture::new(width, height, color, pixels))
}

fn refused(error: jpeg_decoder::Error) -> ImageError {
    match error {
        jpeg_decoder::Error::Unsupported(_) => ImageError::Unsupported {
            found: "a JPEG with unusual sampling",
        },
        error => corrupt(error),
    }
}
