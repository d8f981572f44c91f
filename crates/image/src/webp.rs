//! WebP by the `image-webp` crate, after a walk over its chunks.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::{
    Color, Format, ImageError, Picture,
    exif::Orientation,
    picture::{flatten, luma},
};

/// Width and height of the canvas, which must be that of the frame inside: the decoder allocates by the latter.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let mut chunks = Chunks::new(bytes)?;
    let Some((kind, content)) = chunks.next() else {
        return Err(ImageError::truncated(Format::WebP));
    };
    if kind != b"VP8X" {
        return frame(kind, content)?
            .ok_or_else(|| ImageError::corrupt(Format::WebP, "its first chunk is no picture"));
    }
    let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = content else {
        return Err(ImageError::truncated(Format::WebP));
    };
    const ANIMATION: u8 = 1 << 1;
    if flags & ANIMATION != 0 {
        return Err(ImageError::Unsupported {
            found: "an animated WebP",
        });
    }
    let canvas = (
        u32::from_le_bytes([w0, w1, w2, 0]) + 1,
        u32::from_le_bytes([h0, h1, h2, 0]) + 1,
    );
    for (kind, content) in chunks {
        if frame(kind, content)?.is_some_and(|frame| frame != canvas) {
            return Err(ImageError::corrupt(
                Format::WebP,
                "canvas and picture differ in size",
            ));
        }
    }
    Ok(canvas)
}

/// Decodes to gray where `color` is gray, otherwise to RGB.
pub(super) fn decode(bytes: &[u8], color: Color) -> Result<Picture, ImageError> {
    let corrupt = |error| ImageError::corrupt(Format::WebP, error);
    let chunks = Chunks::new(bytes)?;
    let mut decoder = WebPDecoder::new(Cursor::new(chunks.riff)).map_err(corrupt)?;
    let (width, height) = decoder.dimensions();
    let pixels = width as usize * height as usize;
    let samples = if decoder.has_alpha() { 4 } else { 3 };
    let mut bytes = vec![0; pixels * samples];
    decoder.read_image(&mut bytes).map_err(corrupt)?;
    if decoder.has_alpha() {
        bytes = bytes
            .as_chunks()
            .0
            .iter()
            .flat_map(|rgba| flatten(*rgba))
            .collect();
    }
    if color == Color::Gray {
        bytes = bytes.as_chunks().0.iter().copied().map(luma).collect();
    }
    let color = if color == Color::Gray {
        Color::Gray
    } else {
        Color::Rgb
    };
    let mut chunks = chunks;
    let orientation = chunks
        .find(|(kind, _)| *kind == b"EXIF")
        .map_or(Orientation::Upright, |(_, exif)| {
            Orientation::from_exif(exif)
        });
    Ok(Picture::new(width, height, color, bytes).upright(orientation))
}

/// The size that a VP8 or VP8L chunk announces; `None` for any other chunk.
fn frame(kind: &[u8; 4], content: &[u8]) -> Result<Option<(u32, u32)>, ImageError> {
    match (kind, content) {
        // Frame tag (3 bytes), start code, then 14 bits of width and of height, each with 2 bits of scale.
        (b"VP8 ", &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
            Ok(Some((side(w0, w1), side(h0, h1))))
        }
        (b"VP8L", &[0x2f, a, b, c, d, ..]) => {
            let bits = u32::from_le_bytes([a, b, c, d]);
            Ok(Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)))
        }
        (b"VP8 " | b"VP8L", _) => Err(ImageError::corrupt(
            Format::WebP,
            format_args!("its {} chunk has no header", kind.escape_ascii()),
        )),
        _ => Ok(None),
    }
}

/// Kind and content of each chunk of the RIFF container.
struct Chunks<'a> {
    /// The container up to the length in its header: bytes after it are no part of the picture.
    riff: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// Makes sure that every byte that the container announces is there, and that the last chunk is whole.
    fn new(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let truncated = || ImageError::truncated(Format::WebP);
        let length = bytes
            .get(4..8)
            .and_then(<[u8]>::first_chunk)
            .ok_or_else(truncated)?;
        let riff = (u32::from_le_bytes(*length) as usize)
            .checked_add(8)
            .and_then(|end| bytes.get(..end))
            .ok_or_else(truncated)?;
        let rest = riff.get(12..).ok_or_else(truncated)?;
        let mut walk = Self { riff, rest };
        while walk.next().is_some() {}
        if !walk.rest.is_empty() {
            return Err(truncated());
        }
        Ok(Self { riff, rest })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, rest) = self.rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let (content, rest) = rest.split_at_checked(length)?;
        // Chunks of odd length are padded; some encoders forget it after the last one.
        self.rest = rest.get(length % 2..).unwrap_or_default();
        Some((kind, content))
    }
}
