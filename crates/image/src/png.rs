//! PNG by the `png` crate, row by row: 16-bit samples, alpha and colour are reduced before they are stored.

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, Reader, Transformations};

use super::{
    Color, Format, ImageError, Picture,
    exif::Orientation,
    picture::{flatten, luma, over_white},
};

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Bytes that the decoder may allocate for chunks and rows: a row of 65 535 pixels of 8 bytes, with room.
const MAX_DECODER_BYTES: usize = 4 << 20;

/// Width and height from IHDR, after making sure that no animation follows.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let mut chunks = Chunks::new(bytes)?;
    let Some((b"IHDR", &[w0, w1, w2, w3, h0, h1, h2, h3, _, _, _, _, _])) = chunks.next() else {
        return Err(match bytes.len() {
            ..33 => ImageError::truncated(Format::Png),
            33.. => ImageError::corrupt(Format::Png, "it doesn't begin with a whole IHDR chunk"),
        });
    };
    if chunks
        .take_while(|(kind, _)| *kind != b"IDAT")
        .any(|(kind, _)| kind == b"acTL")
    {
        return Err(ImageError::Unsupported {
            found: "an animated PNG",
        });
    }
    Ok((
        u32::from_be_bytes([w0, w1, w2, w3]),
        u32::from_be_bytes([h0, h1, h2, h3]),
    ))
}

/// Decodes all of it, to gray where `color` is gray, otherwise to gray or RGB as it is stored.
pub(super) fn decode(bytes: &[u8], color: Color) -> Result<Picture, ImageError> {
    let corrupt = |error| ImageError::corrupt(Format::Png, error);
    let mut reader = reader(bytes).map_err(corrupt)?;
    let stored = reader.output_color_type().0;
    let color = match stored {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Color::Gray,
        _ if color == Color::Gray => Color::Gray,
        _ => Color::Rgb,
    };
    let (width, height) = reader.info().size();
    let mut out = vec![0; width as usize * height as usize * color.channels()];

    let convert: fn(&[u8], &mut [u8]) = match (stored, color) {
        (ColorType::Grayscale, _) | (ColorType::Rgb, Color::Rgb) => {
            reader.next_frame(&mut out).map_err(corrupt)?;
            return finish(reader, Picture::new(width, height, color, out), bytes);
        }
        (ColorType::GrayscaleAlpha, _) => |from, to| {
            each(from, to, |[value, alpha]| [over_white(value, alpha)]);
        },
        (ColorType::Rgb, _) => |from, to| each(from, to, |rgb| [luma(rgb)]),
        (_, Color::Gray) => |from, to| each(from, to, |rgba| [luma(flatten(rgba))]),
        (_, _) => |from, to| each(from, to, flatten),
    };
    let row_len = out.len() / height as usize;
    let stored_row_len = width as usize * stored.samples();
    if reader.info().interlaced {
        let mut frame = vec![0; stored_row_len * height as usize];
        reader.next_frame(&mut frame).map_err(corrupt)?;
        convert(&frame, &mut out);
    } else {
        let mut row = vec![0; stored_row_len];
        for out_row in out.chunks_exact_mut(row_len) {
            reader.read_row(&mut row).map_err(corrupt)?;
            convert(&row, out_row);
        }
    }
    finish(reader, Picture::new(width, height, color, out), bytes)
}

fn reader(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, png::DecodingError> {
    let mut options = DecodeOptions::default();
    // Every checksum counts, those of chunks that change the picture (tRNS) and of the pixels themselves included.
    options.set_ignore_adler32(false);
    options.set_skip_ancillary_crc_failures(false);
    // Not read, hence never inflated: compressed text and colour profiles are where small files grow without bound.
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(png::Limits {
        bytes: MAX_DECODER_BYTES,
    });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.read_info()
}

/// Reads on to IEND, so that a file cut off after its last row is noticed, and turns the picture upright.
fn finish(
    mut reader: Reader<Cursor<&[u8]>>,
    picture: Picture,
    bytes: &[u8],
) -> Result<Picture, ImageError> {
    reader
        .finish()
        .map_err(|error| ImageError::corrupt(Format::Png, error))?;
    let orientation = Chunks::new(bytes)?
        .find(|(kind, _)| *kind == b"eXIf")
        .map_or(Orientation::Upright, |(_, exif)| {
            Orientation::from_exif(exif)
        });
    Ok(picture.upright(orientation))
}

/// Maps pixels of `N` bytes to pixels of `M`.
fn each<const N: usize, const M: usize>(
    from: &[u8],
    to: &mut [u8],
    convert: impl Fn([u8; N]) -> [u8; M],
) {
    let to = to.as_chunks_mut::<M>().0;
    for (from, to) in from.as_chunks::<N>().0.iter().zip(to) {
        *to = convert(*from);
    }
}

/// Kind and content of each chunk; ends where the next one isn't whole. Checks no CRC.
struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ImageError> {
        match bytes.strip_prefix(SIGNATURE) {
            Some(rest) => Ok(Self(rest)),
            None if SIGNATURE.starts_with(bytes) => Err(ImageError::truncated(Format::Png)),
            None => Err(ImageError::corrupt(
                Format::Png,
                "its signature was changed, perhaps by a transfer as text",
            )),
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (content, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest.get(4..)?;
        Some((kind, content))
    }
}
