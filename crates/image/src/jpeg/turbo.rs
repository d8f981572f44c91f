//! The libjpeg-turbo back end (cargo feature `turbojpeg`).

use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};

use super::{DecodeOptions, Frame, Model, ink_on_white};
use crate::{Color, Format, ImageError, Picture};

/// Decodes to gray or RGB; gray only where the options or the file demands it.
pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    options: DecodeOptions,
) -> Result<Picture, ImageError> {
    let corrupt = |error| ImageError::corrupt(Format::Jpeg, reason(&error));
    let format = match frame.model {
        Model::Luma => PixelFormat::GRAY,
        Model::YCbCr if options.gray => PixelFormat::GRAY,
        Model::YCbCr | Model::Rgb => PixelFormat::RGB,
        Model::Cmyk => PixelFormat::CMYK,
    };
    let width = frame.width.div_ceil(options.denominator);
    let height = frame.height.div_ceil(options.denominator);
    let pitch = width as usize * format.size();
    let mut pixels = vec![0; pitch * height as usize];
    let image = Image {
        pixels: &mut pixels[..],
        width: width as usize,
        pitch,
        height: height as usize,
        format,
    };
    let mut decompressor = Decompressor::new().map_err(corrupt)?;
    decompressor
        .set_scaling_factor(ScalingFactor::new(1, options.denominator as usize))
        .map_err(corrupt)?;
    // A warning (data that ends early, codes that don't exist) is an error here, except for one that costs no pixel.
    match decompressor.decompress(bytes, image) {
        Err(error) if !is_harmless(&error) => return Err(corrupt(error)),
        _ => {}
    }
    let color = match format {
        PixelFormat::GRAY => Color::Gray,
        PixelFormat::CMYK => {
            let cmyk = pixels.as_chunks::<4>().0;
            pixels = cmyk.iter().copied().flat_map(ink_on_white).collect();
            Color::Rgb
        }
        _ => Color::Rgb,
    };
    Ok(Picture::new(width, height, color, pixels))
}

/// Bytes between the end of a scan and the next marker, which many cameras leave.
fn is_harmless(error: &turbojpeg::Error) -> bool {
    matches!(error, turbojpeg::Error::TurboJpegError(text) if text.contains("extraneous bytes before marker"))
}

/// libjpeg's own words.
fn reason(error: &turbojpeg::Error) -> String {
    match error {
        turbojpeg::Error::TurboJpegError(text) => text.clone(),
        other => other.to_string(),
    }
}
