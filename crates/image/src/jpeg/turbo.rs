//! The libjpeg-turbo back end (cargo feature `turbojpeg`).

use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

use super::{DecodeOptions, Frame, Model, frame::Outline, ink_on_white};
use crate::{Color, Format, ImageError, Picture, picture::Samples};

/// Decodes to gray or RGB; gray only where the options or the file demands it.
pub(super) fn decode(frame: &Frame<'_>, options: DecodeOptions) -> Result<Picture, ImageError> {
    let format = match frame.model {
        Model::Luma => PixelFormat::GRAY,
        Model::YCbCr if options.gray => PixelFormat::GRAY,
        Model::YCbCr | Model::Rgb => PixelFormat::RGB,
        Model::Cmyk | Model::Ycck => PixelFormat::CMYK,
    };
    let (width, height) = frame.size();
    let width = width.div_ceil(options.denominator);
    let height = height.div_ceil(options.denominator);
    let pitch = width as usize * format.size();
    // Of a clean copy even a warning is damage: data that ends early, codes that don't exist.
    let samples = Samples::written(pitch * height as usize, |pixels| {
        let mut decompressor = Decompressor::new()?;
        decompressor.set_scaling_factor(ScalingFactor::new(1, options.denominator as usize))?;
        let image = Image {
            pixels,
            width: width as usize,
            pitch,
            height: height as usize,
            format,
        };
        decompressor.decompress(&frame.clean(), image)
    })
    .map_err(|error| ImageError::corrupt(Format::Jpeg, reason(&error)))?;
    let (color, samples) = match format {
        PixelFormat::GRAY => (Color::Gray, samples),
        PixelFormat::CMYK => (Color::Rgb, samples.map(ink_on_white)),
        _ => (Color::Rgb, samples),
    };
    Ok(Picture::decoded(width, height, color, samples))
}

/// Bytes for each pixel it makes, gray that is made of them included; and for the coefficients, which it keeps where they come
/// in several scans.
pub(super) fn memory(outline: &Outline, color: Color, _denominator: u32) -> (u64, u64) {
    let gray = u64::from(color == Color::Gray);
    let bytes_a_pixel = match outline.header.channels.len() {
        1 => 1,
        3 => 3 + gray,
        _ => 4 + 3 + gray,
    };
    let coefficients = 2 * outline.header.padded_samples();
    match outline.has_several_scans {
        true => (bytes_a_pixel, coefficients),
        false => (bytes_a_pixel, 0),
    }
}

/// libjpeg's own words.
fn reason(error: &turbojpeg::Error) -> String {
    match error {
        turbojpeg::Error::TurboJpegError(text) => text.clone(),
        other => other.to_string(),
    }
}
