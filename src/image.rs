//! Pictures: sniffed, limited, decoded, brought to a network's size.
//!
//! ```text
//! bytes --probe--> Header --Limits--> decode --> Picture --Transform::apply--> Pixels --Sample::write--> f32 row
//! ```
//!
//! What is defined, and the same on every machine: the format is sniffed, whatever the `Content-Type` says; 16-bit
//! samples keep their upper byte; palettes are expanded; alpha is laid over white; gray is Rec. 601 luma, for a JPEG
//! its own luma channel; CMYK and YCCK are read as Adobe writes them (inverted) and multiplied out without a colour
//! profile; EXIF orientation is applied in all three formats; colour profiles and gamma are not. Animations, and what
//! isn't PNG, JPEG or WebP, are refused; so is anything cut off or damaged, as far as the format lets it be known (PNG
//! has checksums; a JPEG can be wrong inside a scan without anybody being able to tell).

mod error;
mod exif;
mod header;
mod jpeg;
mod limits;
mod normalize;
mod picture;
mod png;
mod resize;
mod transform;
mod webp;

#[cfg(test)]
mod tests;

pub use error::{ImageError, TransformError};
pub use header::{Format, Header, probe};
pub use limits::Limits;
pub use normalize::{Input, Normalization};
pub use picture::Picture;
pub use resize::Pixels;
pub use transform::{Color, Filter, Layout, Resize, Transform};

/// Decodes a picture for one transform: no more colours than it needs, and no more pixels where JPEG can spare them.
///
/// For a gray target the picture is gray. A JPEG much larger than what `target` resizes to is decoded at a half, a
/// quarter or an eighth of its size ([`Limits::jpeg_reduction`]), so the picture serves this target, not a larger one.
///
/// # Errors
/// Whatever [`probe`] and the [`Limits`] say, before anything is decoded; then [`ImageError::Corrupt`],
/// [`ImageError::Unsupported`] or [`ImageError::TooManyScans`].
pub fn decode(bytes: &[u8], limits: &Limits, target: &Transform) -> Result<Picture, ImageError> {
    limits.check_bytes(bytes.len())?;
    let header = probe(bytes)?;
    limits.check(&header)?;
    match header.format {
        Format::Png => png::decode(bytes, target.color),
        Format::Jpeg => jpeg::decode(bytes, limits, target),
        Format::WebP => webp::decode(bytes, target.color),
    }
}
