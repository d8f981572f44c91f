//! The pure Rust back end: zune-jpeg, and jpeg-decoder where the picture is to be reduced while it is decoded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_decoder::ColorTransform;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{Frame, Model, Order};
use crate::image::{Color, Format, ImageError, Picture};

/// Decodes to gray or RGB; gray only where the order or the file says so.
pub(super) fn decode(bytes: &[u8], frame: &Frame, order: Order) -> Result<Picture, ImageError> {
    // Both decoders have indexed out of bounds on damaged files in the past: a panic is damage, not an outage.
    catch_unwind(AssertUnwindSafe(|| {
        if order.denominator > 1
            && let Some(picture) = reduced(bytes, frame, order)?
        {
            return Ok(picture);
        }
        full(bytes, frame, order)
    }))
    .unwrap_or_else(|_| Err(corrupt("its coded data makes no sense")))
}

fn corrupt(reason: impl ToString) -> ImageError {
    ImageError::corrupt(Format::Jpeg, reason)
}

fn full(bytes: &[u8], frame: &Frame, order: Order) -> Result<Picture, ImageError> {
    let (color, space) = match frame.model {
        Model::Luma => (Color::Gray, ColorSpace::Luma),
        Model::YCbCr if order.gray => (Color::Gray, ColorSpace::Luma),
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

/// `None` where the decoder can't do it and a full decode can.
fn reduced(bytes: &[u8], frame: &Frame, order: Order) -> Result<Option<Picture>, ImageError> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let size = (
        frame.width.div_ceil(order.denominator) as u16,
        frame.height.div_ceil(order.denominator) as u16,
    );
    decoder.set_color_transform(match frame.model {
        Model::Luma => ColorTransform::Grayscale,
        Model::YCbCr if !order.gray => ColorTransform::YCbCr,
        // The channels as they are. Of luma and chroma the first is picked below.
        Model::YCbCr | Model::Rgb => ColorTransform::RGB,
        Model::Cmyk => return Ok(None),
    });
    let pixels = match decoder.scale(size.0, size.1) {
        // It may choose an even smaller size where one side is a few pixels.
        Ok(chosen) if chosen != size => return Ok(None),
        Ok(_) => decoder.decode(),
        Err(error) => Err(error),
    };
    let mut pixels = match pixels {
        Ok(pixels) => pixels,
        Err(jpeg_decoder::Error::Unsupported(_)) => return Ok(None),
        Err(error) => return Err(corrupt(error)),
    };
    let color = match frame.model {
        Model::Luma => Color::Gray,
        Model::YCbCr if order.gray => {
            pixels = pixels
                .as_chunks::<3>()
                .0
                .iter()
                .map(|pixel| pixel[0])
                .collect();
            Color::Gray
        }
        _ => Color::Rgb,
    };
    Ok(Some(Picture::new(
        size.0.into(),
        size.1.into(),
        color,
        pixels,
    )))
}
