//! Samples from coefficients, and chroma interpolated to the picture's size, as libjpeg does it.

use super::{
    super::{
        start_of_frame::{Channel, StartOfFrame},
        tables::Steps,
    },
    transform::inverse,
};

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
        for (at, block) in blocks.iter().enumerate() {
            let start = at / blocks_across * 8 * stride + at % blocks_across * 8;
            for (y, row) in inverse(block, steps).into_iter().enumerate() {
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

    /// A row of the picture, at least as long as it is wide.
    ///
    /// Where two pixels share a sample, its neighbour has a quarter of the weight; a channel of one or two columns, and any
    /// other ratio, is repeated. Roundings alternate so that they cancel out.
    pub(super) fn full_row(&self, y: usize, out: &mut Vec<u8>) {
        const NARROW: usize = 2;
        let near = self.row(y / self.down);
        let far = match y % 2 {
            0 => self.row((y / self.down).saturating_sub(1)),
            _ => self.row((y / self.down + 1).min(self.rows - 1)),
        };
        let upper = y % 2 == 0;
        let weighted = |(near, far): (&u8, &u8)| 3 * u32::from(*near) + u32::from(*far);
        out.clear();
        match (self.across, self.down) {
            (2, 1) if self.columns > NARROW => {
                let row = near.iter().map(|sample| u32::from(*sample));
                widened(row, [1, 2], 2, out);
            }
            (2, 2) if self.columns > NARROW => {
                widened(near.iter().zip(far).map(weighted), [8, 7], 4, out);
            }
            (1, 2) => {
                let bias = if upper { 1 } else { 2 };
                let both = near.iter().zip(far);
                out.extend(both.map(|both| ((weighted(both) + bias) >> 2) as u8));
            }
            (1, _) => out.extend(near),
            (across, _) => {
                out.extend(
                    near.iter()
                        .flat_map(|sample| std::iter::repeat_n(*sample, across)),
                );
            }
        }
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.samples[row * self.stride..][..self.columns]
    }
}

/// Two samples for each, the left one nearer to the last, the right one nearer to the next; at the edges, both are the same.
fn widened(
    row: impl Iterator<Item = u32> + Clone,
    [left, right]: [u32; 2],
    shift: u32,
    out: &mut Vec<u8>,
) {
    let first = row.clone().take(1);
    let mut next = row.clone().skip(1);
    for (last, this) in first.chain(row.clone()).zip(row) {
        let next = next.next().unwrap_or(this);
        out.push(((3 * this + last + left) >> shift) as u8);
        out.push(((3 * this + next + right) >> shift) as u8);
    }
}
