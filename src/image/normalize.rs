//! From bytes to the floats of a batch row: the one place where they are made.

use std::sync::Arc;

use stillhouse_engine::Sample;

use super::{ImageError, Layout, Pixels, Transform, TransformError};

/// `(byte * scale - mean) / std` of each channel as one multiplication and one addition, and where it is written.
///
/// Made once per version. Multiplication and addition are rounded separately (never fused), so that a row has the same
/// bits on every machine; they differ from the formula by at most a few units in the last place of its largest term.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalization {
    layout: Layout,
    /// By channel: `scale / std` and `-mean / std`.
    channels: Vec<(f32, f32)>,
}

impl Normalization {
    /// Checks the transform and computes the factors.
    ///
    /// # Errors
    /// As [`Transform::validate`].
    pub fn new(transform: &Transform) -> Result<Self, TransformError> {
        transform.validate()?;
        let channels = (0..transform.color.channels())
            .map(|channel| {
                // One number stands for all channels.
                let of = |numbers: &[f32]| f64::from(numbers[channel.min(numbers.len() - 1)]);
                let (mean, std) = (of(&transform.mean), of(&transform.std));
                let factor = f64::from(transform.scale) / std;
                (factor as f32, (-mean / std) as f32)
            })
            .collect();
        Ok(Self {
            layout: transform.layout,
            channels,
        })
    }

    /// Writes normalised pixels in the network's layout.
    ///
    /// # Panics
    /// Where `row` is not as long as `bytes`.
    pub fn write(&self, bytes: &[u8], row: &mut [f32]) {
        assert_eq!(bytes.len(), row.len(), "pixels and row differ in length");
        match (&self.channels[..], self.layout) {
            (&[only], _) => map(bytes, row, only),
            (&[a, b, c], Layout::Nhwc) if a == b && b == c => map(bytes, row, a),
            (&[a, b, c], Layout::Nhwc) => interleaved(bytes, row, [a, b, c]),
            (&[a, b, c], Layout::Nchw) => planes(bytes, row, [a, b, c]),
            (other, _) => unreachable!("{} channels", other.len()),
        }
    }
}

fn map(bytes: &[u8], row: &mut [f32], (factor, offset): (f32, f32)) {
    for (x, byte) in row.iter_mut().zip(bytes) {
        *x = f32::from(*byte) * factor + offset;
    }
}

/// Three channels that stay side by side: a pattern of whole vectors that repeats after 16 pixels.
fn interleaved(bytes: &[u8], row: &mut [f32], channels: [(f32, f32); 3]) {
    let factors: [f32; 48] = std::array::from_fn(|i| channels[i % 3].0);
    let offsets: [f32; 48] = std::array::from_fn(|i| channels[i % 3].1);
    let write = |bytes: &[u8], row: &mut [f32]| {
        for (((x, byte), factor), offset) in row.iter_mut().zip(bytes).zip(&factors).zip(&offsets) {
            *x = f32::from(*byte) * factor + offset;
        }
    };
    let (blocks, rest) = bytes.as_chunks::<48>();
    let (row_blocks, row_rest) = row.as_chunks_mut::<48>();
    for (block, row) in blocks.iter().zip(row_blocks) {
        write(block, row);
    }
    write(rest, row_rest);
}

/// Three channels into three planes.
fn planes(bytes: &[u8], row: &mut [f32], channels: [(f32, f32); 3]) {
    let area = row.len() / 3;
    let (first, rest) = row.split_at_mut(area);
    let (second, third) = rest.split_at_mut(area);
    let [a, b, c] = channels;
    for (((x, y), z), pixel) in first
        .iter_mut()
        .zip(second)
        .zip(third)
        .zip(bytes.as_chunks::<3>().0)
    {
        *x = f32::from(pixel[0]) * a.0 + a.1;
        *y = f32::from(pixel[1]) * b.0 + b.1;
        *z = f32::from(pixel[2]) * c.0 + c.1;
    }
}

/// One request's input to a network, as it waits in the queue: a quarter of the size of its floats where it is pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A picture, brought to the network's size, and how its bytes become numbers.
    Pixels {
        /// The bytes.
        pixels: Pixels,
        /// The version's normalisation.
        normalization: Arc<Normalization>,
    },
    /// The tensor row itself, as the client sent it.
    Numbers(Box<[f32]>),
}

impl Input {
    /// A row of numbers that the client has normalised, in the network's layout; `expected` is the network's row
    /// length.
    ///
    /// # Errors
    /// [`ImageError::WrongCount`] and [`ImageError::NotFinite`].
    pub fn numbers(numbers: Vec<f32>, expected: usize) -> Result<Self, ImageError> {
        if numbers.len() != expected {
            return Err(ImageError::WrongCount {
                expected,
                found: numbers.len(),
            });
        }
        match numbers.iter().position(|number| !number.is_finite()) {
            Some(index) => Err(ImageError::NotFinite { index }),
            None => Ok(Self::Numbers(numbers.into())),
        }
    }
}

impl Sample for Input {
    fn write(&self, row: &mut [f32]) {
        match self {
            Self::Pixels {
                pixels,
                normalization,
            } => normalization.write(pixels.bytes(), row),
            Self::Numbers(numbers) => row.copy_from_slice(numbers),
        }
    }
}
