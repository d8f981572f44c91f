//! Pictures: sniffed, limited, decoded, brought to a network's size.
//!
//! ```text
//! bytes --probe--> Header --Limits--> decode --> Picture --Transform::apply--> Pixels --Sample::write--> f32 row
//! ```
//!
//! What is defined: the format is sniffed, whatever the `Content-Type` is; 16-bit
//! samples keep their upper byte; palettes are expanded; alpha is laid over white; gray is Rec. 601 luma, for a JPEG
//! its own luma channel; CMYK and YCCK are read as Adobe writes them (inverted) and multiplied out without a colour
//! profile; EXIF orientation is applied in all three formats, the first one where there are several; colour profiles and
//! gamma are not. Animations of several frames, and what isn't PNG, JPEG or WebP, are refused. So is anything cut off or
//! damaged, as far as the format lets it be known: PNG has checksums; of a JPEG every code is read before a decoder
//! sees it, and damage that turns codes into other valid ones of the same number of blocks can't be detected. What
//! surrounds the pixels and doesn't change them may be odd or broken: decoders get a clean copy without it.
//!
//! # Which JPEG decoder, and how large
//!
//! CPU time of the decoders alone, before every JPEG was read and checked first (`cargo bench -p stillhouse-image`, with
//! and without `--features turbojpeg`; a photograph enlarged to 4000 x 3000 with a sensor's noise, 4:2:0, 2.5 MB; shared
//! virtual machine with AVX-512; compare the ratios). Reduced is to 1/4 for 224 x 224 and to 1/8 for 28 x 28:
//!
//! | to                | zune-jpeg, full | jpeg-decoder, reduced | libjpeg-turbo, full | libjpeg-turbo, reduced |
//! | ----------------- | --------------- | --------------------- | ------------------- | ---------------------- |
//! | 224 x 224, colour | 64 ms           | 40 ms, 1.6 x          | 54 ms, 1.2 x        | 23 ms, 2.8 x           |
//! | 28 x 28, gray     | 37 ms           | 38 ms                 | 26 ms, 1.4 x        | 19 ms, 1.9 x           |
//!
//! Reading every code first takes 10.9 ms of the 12 megapixels above (`jpeg_4000x3000/check`, 2.1 MB, on a machine busy with other work,
//! 2026-11-28), of 640 x 480 0.5 ms.
//!
//! So colour is reduced in both builds, gray only with libjpeg-turbo. In full, pure Rust decodes subsampled colour by
//! its own decoder (`jpeg/exact`), as zune-jpeg's chroma differs from libjpeg's. The default is pure Rust, because it builds anywhere;
//! **the cargo feature `turbojpeg` is worth its cmake and nasm where large photographs are the traffic.**
//!
//! A reduced picture keeps at least twice the pixels that the resize needs, in both directions. What this changes in
//! the network's pixels, in 1/255 (mean, and greatest of all), on six sharp photographs of about 640 x 430 with 4:2:0
//! and the bilinear filter, for jpeg-decoder and libjpeg-turbo:
//!
//! | decoded / needed | jpeg-decoder | libjpeg-turbo |
//! | ---------------- | ------------ | ------------- |
//! | 6.7              | 0.2, 5       | 0.1, 5        |
//! | 3.3              | 0.4, 10      | 0.3, 10       |
//! | 2.2              | 0.6, 14      | 0.5, 10       |
//! | 1.1              | 1.9, 41      | 1.4, 32       |
//!
//! By network size, on twelve JPEGs of 480 x 360 to 2000 x 1072 in colour (mean of all, greatest mean of one, greatest
//! sample; `tests::reduction::a10_what_reduction_changes_by_network_size` keeps bounds):
//!
//! | network   | jpeg-decoder  | libjpeg-turbo |
//! | --------- | ------------- | ------------- |
//! | 16 x 16   | 0.8, 1.3, 14  | 0.3, 0.7, 6   |
//! | 28 x 28   | 0.9, 1.5, 13  | 0.4, 1.0, 9   |
//! | 64 x 64   | 0.4, 1.0, 12  | 0.3, 0.4, 5   |
//! | 96 x 96   | 0.3, 0.6, 8   | 0.3, 0.5, 6   |

mod error;
mod exif;
mod header;
mod jpeg;
mod limits;
mod memory;
mod normalize;
mod picture;
mod png;
mod resize;
pub mod statistics;
mod transform;
mod turn;
mod webp;

#[cfg(test)]
mod tests;

pub use error::{ImageError, TransformError};
pub use header::{Format, Header, probe};
pub use limits::Limits;
pub use memory::working_bytes;
pub use normalize::{Input, Normalization};
pub use picture::Picture;
pub use resize::Pixels;
pub use statistics::{Statistics, Thumbnail};
pub use transform::{Color, Filter, Layout, Resize, Transform};

/// What decodes JPEG in this build.
pub const JPEG_BACK_END: &str = match cfg!(feature = "turbojpeg") {
    true => "libjpeg-turbo",
    false => "zune-jpeg",
};

/// Decodes a picture for one transform: no more colours than it needs, and no more pixels where JPEG can spare them.
///
/// For a gray target the picture is gray. A JPEG much larger than what `target` resizes to is decoded at a half, a
/// quarter or an eighth of its size ([`Limits::jpeg_reduction`]), so the picture serves this target, not a larger one.
///
/// # Errors
/// Those of [`probe`] and the [`Limits`], before anything is decoded; then [`ImageError::Corrupt`],
/// [`ImageError::Unsupported`], [`ImageError::TooManyScans`] or [`ImageError::TooManySegments`].
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

/// Reads and checks all of a JPEG, as [`decode`] does before a decoder sees it: for benchmarks.
///
/// # Errors
/// As [`decode`].
#[doc(hidden)]
pub fn check_jpeg(bytes: &[u8], limits: &Limits) -> Result<(), ImageError> {
    jpeg::check(bytes, limits)
}
