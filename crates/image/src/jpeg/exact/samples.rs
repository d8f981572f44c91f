//! Samples from coefficients, and their interpolation to the picture's size.

use std::f32::consts::{FRAC_1_SQRT_2, PI};

use super::super::{
    start_of_frame::{Channel, StartOfFrame},
    tables::Steps,
};

/// Row by row where each coefficient of the zigzag order lies.
#[rustfmt::skip]
const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// One channel's samples.
pub(super) struct Plane {
    /// Of the picture.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Of the channel: columns and rows that show the picture.
    columns: usize,
    rows: usize,
    stride: usize,
    samples: Vec<u8>,
    /// Pixels of the picture for one sample, across and down.
    across: usize,
    down: usize,
}

impl Plane {
    pub(super) fn new(
        header: &StartOfFrame,
        channel: &Channel,
        blocks: &[[i16; 64]],
        steps: &Steps,
    ) -> Self {
        let (h_most, v_most) = header.most();
        let blocks_across = header.padded_blocks(channel).0 as usize;
        let stride = 8 * blocks_across;
        let mut samples = vec![0; 64 * blocks.len()];
        let cosines = cosines();
        for (at, block) in blocks.iter().enumerate() {
            let start = at / blocks_across * 8 * stride + at % blocks_across * 8;
            for (y, row) in inverse(block, steps, &cosines).into_iter().enumerate() {
                samples[start + y * stride..][..8].copy_from_slice(&row);
            }
        }
        Self {
            width: header.width as usize,
            height: header.height as usize,
            columns: (header.width * channel.h).div_ceil(h_most) as usize,
            rows: (header.height * channel.v).div_ceil(v_most) as usize,
            stride,
            samples,
            across: (h_most / channel.h) as usize,
            down: (v_most / channel.v) as usize,
        }
    }

    /// A row of the picture. Where two pixels share a sample, its neighbour has a quarter of the weight, as in libjpeg, which
    /// repeats the samples of channels of one or two columns, and those of any other ratio.
    pub(super) fn full_row(&self, y: usize, out: &mut Vec<u8>) {
        const NARROW: usize = 2;
        let interpolates = match (self.across, self.down) {
            (2, 1 | 2) => self.columns > NARROW,
            (1, 2) => true,
            _ => false,
        };
        let row = y / self.down;
        let other = match (interpolates && self.down == 2, y % 2) {
            (true, 0) => row.saturating_sub(1),
            (true, _) => (row + 1).min(self.rows - 1),
            (false, _) => row,
        };
        // Four times the sample.
        let sample = |x: usize| {
            let at = |row: usize| u32::from(self.samples[row * self.stride + x]);
            3 * at(row) + at(other)
        };
        out.clear();
        out.extend((0..self.width).map(|x| {
            let column = x / self.across;
            let beside = match (interpolates && self.across == 2, x % 2) {
                (true, 0) => column.saturating_sub(1),
                (true, _) => (column + 1).min(self.columns - 1),
                (false, _) => column,
            };
            ((3 * sample(column) + sample(beside) + 8) / 16) as u8
        }));
    }
}

/// By frequency and place, with the factors of T.81, A.3.3.
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|u| {
        let factor = if u == 0 { FRAC_1_SQRT_2 / 2.0 } else { 0.5 };
        std::array::from_fn(|x| factor * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos())
    })
}

/// The inverse cosine transform of a block.
fn inverse(block: &[i16; 64], steps: &Steps, cosines: &[[f32; 8]; 8]) -> [[u8; 8]; 8] {
    let mut frequencies = [[0.0_f32; 8]; 8];
    for (at, (value, step)) in ZIGZAG.iter().zip(block.iter().zip(steps)) {
        frequencies[at / 8][at % 8] = f32::from(*value) * f32::from(*step);
    }
    let mut halfway = [[0.0_f32; 8]; 8];
    for (row, out) in frequencies.iter().zip(&mut halfway) {
        for (value, cosines) in row.iter().zip(cosines) {
            for (out, cosine) in out.iter_mut().zip(cosines) {
                *out += value * cosine;
            }
        }
    }
    let mut samples = [[128.0_f32; 8]; 8];
    for (row, cosines) in halfway.iter().zip(cosines) {
        for (out, cosine) in samples.iter_mut().zip(cosines) {
            for (out, value) in out.iter_mut().zip(row) {
                *out += value * cosine;
            }
        }
    }
    samples.map(|row| row.map(|sample| sample.round() as u8))
}
