//! The pure Rust back end's own decoder, for what its two libraries get wrong: any sampling, any order of scans, any size.
//! To the bit what libjpeg makes of it with its accurate integer transform, as the tests compare.

mod coefficients;
mod samples;
mod transform;

use self::{coefficients::Coefficients, samples::Plane};
use super::{Frame, Model, frame::CodedScan, huffman::Huffman, ink_on_white, scan::Damage};
use crate::{Color, Format, ImageError, Picture, picture::Samples};

/// Decodes to gray or RGB in full size; gray only where it is asked for or the file is.
pub(super) fn decode(frame: &Frame<'_>, gray: bool) -> Result<Picture, ImageError> {
    let coefficients = read(frame).map_err(|damage| ImageError::corrupt(Format::Jpeg, damage))?;
    let (width, height) = frame.size();
    let plane = |(number, blocks): (usize, Vec<[i16; 64]>)| {
        let header = &frame.header;
        Plane::new(
            header,
            &header.channels[number],
            &blocks,
            &frame.steps[number],
        )
    };
    let needed = match frame.model {
        Model::YCbCr if gray => 1,
        _ => coefficients.len(),
    };
    // Each channel's coefficients are freed before the next one's samples are made.
    let planes: Vec<Plane> = coefficients
        .into_iter()
        .enumerate()
        .take(needed)
        .map(plane)
        .collect();
    let (color, samples) = match frame.model {
        Model::Luma => (Color::Gray, joined(&planes, |luma: [u8; 1]| luma)),
        Model::YCbCr if gray => (Color::Gray, joined(&planes, |luma: [u8; 1]| luma)),
        Model::YCbCr => (Color::Rgb, joined(&planes, rgb)),
        Model::Rgb => (Color::Rgb, joined(&planes, |rgb: [u8; 3]| rgb)),
        Model::Cmyk => (Color::Rgb, joined(&planes, ink_on_white)),
        Model::Ycck => (Color::Rgb, joined(&planes, ycck_on_white)),
    };
    Ok(Picture::decoded(
        width,
        height,
        color,
        Samples::whole(samples),
    ))
}

/// Every coefficient of each channel.
fn read(frame: &Frame<'_>) -> Result<Vec<Vec<[i16; 64]>>, Damage> {
    let mut coefficients = Coefficients::new(&frame.header);
    for coded in &frame.scans {
        let CodedScan { scan, codes, .. } = coded;
        let mut tables = Vec::with_capacity(codes.len());
        for (dc, ac) in codes {
            tables.push((
                dc.map(Huffman::new).transpose()?,
                ac.map(Huffman::new).transpose()?,
            ));
        }
        coefficients.read(&frame.header, coded, scan, &tables)?;
    }
    Ok(coefficients.channels)
}

/// Pixel by pixel the samples of `N` planes, converted.
fn joined<const N: usize, const M: usize>(
    planes: &[Plane],
    convert: impl Fn([u8; N]) -> [u8; M],
) -> Vec<u8> {
    let (width, height) = (planes[0].width, planes[0].height);
    let mut out = Vec::with_capacity(M * width * height);
    let mut rows = [const { Vec::new() }; N];
    for y in 0..height {
        for (row, plane) in rows.iter_mut().zip(planes) {
            plane.full_row(y, row);
        }
        let rows: [&[u8]; N] = std::array::from_fn(|channel| &rows[channel][..width]);
        for x in 0..width {
            out.extend(convert(rows.map(|row| row[x])));
        }
    }
    out
}

/// Red, green and blue of luma and chroma (JFIF; ITU-R BT.601), in libjpeg's fixed point.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    // 1.402, 0.34414, 0.71414 and 1.772, of 16 fractional bits.
    const RED: i32 = 91_881;
    const GREEN_BLUE: i32 = 22_554;
    const GREEN_RED: i32 = 46_802;
    const BLUE: i32 = 116_130;
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    [
        y + ((RED * cr + HALF) >> 16),
        y + ((HALF - GREEN_BLUE * cb - GREEN_RED * cr) >> 16),
        y + ((BLUE * cb + HALF) >> 16),
    ]
    .map(|value| value.clamp(0, 255) as u8)
}

/// YCCK holds the inks' complements as luma and chroma.
fn ycck_on_white([y, cb, cr, k]: [u8; 4]) -> [u8; 3] {
    let [c, m, y] = rgb([y, cb, cr]).map(|value| 255 - value);
    ink_on_white([c, m, y, k])
}
