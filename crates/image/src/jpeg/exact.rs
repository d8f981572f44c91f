//! The pure Rust back end's decoder for what its two libraries get wrong: any sampling, any order of scans, any size, after
//! the standard (T.81) and with libjpeg's interpolation of chroma. Plain, not fast.

mod coefficients;
mod samples;

use self::{coefficients::Coefficients, samples::Plane};
use super::{Frame, Model, frame::CodedScan, huffman::Huffman, ink_on_white, scan::Damage};
use crate::{Color, Format, ImageError, Picture, picture::Samples};

/// Decodes to gray or RGB in full size; gray only where it is asked for or the file is.
pub(super) fn decode(frame: &Frame<'_>, gray: bool) -> Result<Picture, ImageError> {
    let coefficients =
        read(frame).map_err(|damage| ImageError::corrupt(Format::Jpeg, damage))?;
    let planes: Vec<Plane> = (frame.header.channels.iter().zip(&coefficients))
        .zip(&frame.steps)
        .map(|((channel, blocks), steps)| Plane::new(&frame.header, channel, blocks, steps))
        .collect();
    let (width, height) = frame.size();
    let luma = |pixel: &[u8]| [pixel[0]];
    let (color, samples) = match frame.model {
        Model::Luma => (Color::Gray, joined(&planes, luma)),
        Model::YCbCr if gray => (Color::Gray, joined(&planes[..1], luma)),
        Model::YCbCr => (Color::Rgb, joined(&planes, |p| rgb([p[0], p[1], p[2]]))),
        Model::Rgb => (Color::Rgb, joined(&planes, |p| [p[0], p[1], p[2]])),
        Model::Cmyk => (
            Color::Rgb,
            joined(&planes, |p| ink_on_white([p[0], p[1], p[2], p[3]])),
        ),
        Model::Ycck => (
            Color::Rgb,
            joined(&planes, |p| {
                let [r, g, b] = rgb([p[0], p[1], p[2]]);
                ink_on_white([255 - r, 255 - g, 255 - b, p[3]])
            }),
        ),
    };
    Ok(Picture::decoded(width, height, color, Samples::whole(samples)))
}

/// Every coefficient of each channel.
fn read(frame: &Frame<'_>) -> Result<Vec<Vec<[i16; 64]>>, Damage> {
    let mut coefficients = Coefficients::new(&frame.header);
    for coded in &frame.scans {
        let CodedScan { scan, codes, .. } = coded;
        let mut tables = Vec::with_capacity(codes.len());
        for (dc, ac) in codes {
            tables.push((dc.map(Huffman::new).transpose()?, ac.map(Huffman::new).transpose()?));
        }
        coefficients.read(&frame.header, coded, scan, &tables)?;
    }
    Ok(coefficients.channels)
}

/// Pixel by pixel the planes' samples, converted.
fn joined<const N: usize>(planes: &[Plane], convert: impl Fn(&[u8]) -> [u8; N]) -> Vec<u8> {
    let (width, height) = (planes[0].width, planes[0].height);
    let mut out = Vec::with_capacity(N * width * height);
    let mut rows = vec![Vec::new(); planes.len()];
    let mut pixel = vec![0; planes.len()];
    for y in 0..height {
        for (row, plane) in rows.iter_mut().zip(planes) {
            plane.full_row(y, row);
        }
        for x in 0..width {
            for (sample, row) in pixel.iter_mut().zip(&rows) {
                *sample = row[x];
            }
            out.extend(convert(&pixel));
        }
    }
    out
}

/// Red, green and blue of luma and chroma (JFIF; ITU-R BT.601), rounded.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let to_sample = |value: f32| value.round() as u8;
    [
        to_sample(y + 1.402 * cr),
        to_sample(y - 0.344_136_3 * cb - 0.714_136_3 * cr),
        to_sample(y + 1.772 * cb),
    ]
}
