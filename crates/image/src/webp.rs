//! WebP by the `image-webp` crate, which gets a container of nothing but the picture.

mod container;

use std::io::Cursor;

use image_webp::WebPDecoder;

use self::container::Container;
use super::{
    Color, Format, ImageError, Picture,
    memory::Outline,
    picture::{Samples, flatten, luma},
};

/// Width and height of the canvas.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let container = Container::read(bytes)?;
    container.check_density()?;
    Ok(container.canvas)
}

/// What decoding will allocate; none where it will be refused.
pub(super) fn outline(bytes: &[u8], color: Color) -> Option<Outline> {
    let container = Container::read(bytes).ok()?;
    Some(Outline {
        size: container.canvas,
        is_turned: container.orientation.swaps_sides(),
        // The decoder's own planes or pixels; what it writes, with alpha; what is kept of that, and the canvas.
        bytes_a_pixel: 4 + 4 + 2 * color.channels() as u64,
        other_bytes: bytes.len() as u64,
    })
}

/// Decodes to gray where `color` is gray, otherwise to RGB.
pub(super) fn decode(bytes: &[u8], color: Color) -> Result<Picture, ImageError> {
    let corrupt = |error| ImageError::corrupt(Format::WebP, error);
    let container = Container::read(bytes)?;
    let clean = container.clean();
    let mut decoder = WebPDecoder::new(Cursor::new(&clean[..])).map_err(corrupt)?;
    let (width, height) = decoder.dimensions();
    let has_alpha = decoder.has_alpha();
    let pixels = width as usize * height as usize;
    let len = pixels * if has_alpha { 4 } else { 3 };
    let samples = Samples::written(len, |out| decoder.read_image(out)).map_err(corrupt)?;
    let (color, samples) = match (color, has_alpha) {
        (Color::Gray, true) => (Color::Gray, samples.map(|rgba| [luma(flatten(rgba))])),
        (Color::Gray, false) => (Color::Gray, samples.map(|rgb| [luma(rgb)])),
        (_, true) => (Color::Rgb, samples.map(flatten)),
        (_, false) => (Color::Rgb, samples),
    };
    Ok(Picture::decoded(width, height, color, samples)
        .on_white(container.canvas, container.at)
        .upright(container.orientation))
}
