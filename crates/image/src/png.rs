//! PNG by the `png` crate, row by row: 16-bit samples, alpha and colour are reduced before they are stored.

mod chunks;

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, Reader, Transformations};

use self::chunks::{Chunks, Ihdr};
use super::{
    Color, Format, ImageError, Picture,
    memory::Outline,
    picture::{Samples, flatten, luma, over_white},
};

/// Bytes that the decoder may allocate for chunks and rows: a row of 65 535 pixels of 8 bytes, with room.
const MAX_DECODER_BYTES: usize = 4 << 20;

/// Width and height from IHDR, after making sure that no animation follows.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let mut chunks = Chunks::new(bytes)?;
    let ihdr = Ihdr::read(&mut chunks, bytes.len())?;
    chunks.check_still()?;
    Ok((ihdr.width, ihdr.height))
}

/// What decoding will allocate; none where it will be refused.
pub(super) fn outline(bytes: &[u8], color: Color) -> Option<Outline> {
    let ihdr = Ihdr::read(&mut Chunks::new(bytes).ok()?, bytes.len()).ok()?;
    let stored = if ihdr.is_gray() {
        1
    } else {
        color.channels() as u64
    };
    // All rows at once, with alpha.
    let interlaced = if ihdr.interlaced { 4 } else { 0 };
    Some(Outline {
        size: (ihdr.width, ihdr.height),
        is_turned: Chunks::new(bytes).ok()?.may_be_turned(),
        bytes_a_pixel: stored + interlaced,
        other_bytes: bytes.len() as u64,
    })
}

/// Decodes all of it, to gray where `color` is gray, otherwise to gray or RGB as it is stored.
pub(super) fn decode(bytes: &[u8], color: Color) -> Result<Picture, ImageError> {
    let corrupt = |error| ImageError::corrupt(Format::Png, error);
    let needed = Chunks::needed(bytes)?;
    let mut reader = reader(&needed.bytes).map_err(corrupt)?;
    let stored = reader.output_color_type().0;
    let color = match stored {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => Color::Gray,
        _ if color == Color::Gray => Color::Gray,
        _ => Color::Rgb,
    };
    let (width, height) = reader.info().size();
    let len = width as usize * height as usize * color.channels();
    let samples = Samples::written(len, |out| read(&mut reader, (stored, color), out));
    let samples = samples.map_err(corrupt)?;
    // Reads on to IEND, so that a file cut off after its last row is noticed.
    reader.finish().map_err(corrupt)?;
    Ok(Picture::decoded(width, height, color, samples).upright(needed.orientation))
}

/// Writes every row of the picture into `out`, from the stored colour to the other.
fn read(
    reader: &mut Reader<Cursor<&[u8]>>,
    (stored, color): (ColorType, Color),
    out: &mut [u8],
) -> Result<(), png::DecodingError> {
    let (width, height) = reader.info().size();
    let convert: fn(&[u8], &mut [u8]) = match (stored, color) {
        (ColorType::Grayscale, _) | (ColorType::Rgb, Color::Rgb) => {
            return reader.next_frame(out).map(|_| ());
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
        reader.next_frame(&mut frame)?;
        convert(&frame, out);
    } else {
        let mut row = vec![0; stored_row_len];
        for out_row in out.chunks_exact_mut(row_len) {
            reader.read_row(&mut row)?;
            convert(&row, out_row);
        }
    }
    Ok(())
}

/// Of [the chunks that make the pixels](Chunks::needed).
fn reader(bytes: &[u8]) -> Result<Reader<Cursor<&[u8]>>, png::DecodingError> {
    let mut options = DecodeOptions::default();
    // Every checksum counts, those of tRNS and of the pixels themselves included.
    options.set_ignore_adler32(false);
    options.set_skip_ancillary_crc_failures(false);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(png::Limits {
        bytes: MAX_DECODER_BYTES,
    });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    decoder.read_info()
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
