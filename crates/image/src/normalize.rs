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
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: this machine has AVX2.
            return unsafe { self.write_avx2(bytes, row) };
        }
        self.write_any(bytes, row);
    }

    /// [`write_any`](Self::write_any) compiled once more, for wider vectors and byte shuffles: 3.6 times as fast into
    /// planes (11 against 39 microseconds for 224 x 224 x 3), with the same bits.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn write_avx2(&self, bytes: &[u8], row: &mut [f32]) {
        self.write_any(bytes, row);
    }

    #[inline(always)]
    fn write_any(&self, bytes: &[u8], row: &mut [f32]) {
        match (&self.channels[..], self.layout) {
            (&[only], _) => map(bytes, row, only),
            (&[a, b, c], Layout::Nhwc) if a == b && b == c => map(bytes, row, a),
            (&[a, b, c], Layout::Nhwc) => interleaved(bytes, row, [a, b, c]),
            (&[a, b, c], Layout::Nchw) => planes(bytes, row, [a, b, c]),
            (other, _) => unreachable!("{} channels", other.len()),
        }
    }
}

#[inline(always)]
fn map(bytes: &[u8], row: &mut [f32], (factor, offset): (f32, f32)) {
    for (x, byte) in row.iter_mut().zip(bytes) {
        *x = f32::from(*byte) * factor + offset;
    }
}

/// Three channels that stay side by side: a pattern of whole vectors that repeats after 16 pixels.
#[inline(always)]
fn interleaved(bytes: &[u8], row: &mut [f32], channels: [(f32, f32); 3]) {
    const BLOCK: usize = 48;
    let factors: [f32; BLOCK] = std::array::from_fn(|i| channels[i % 3].0);
    let offsets: [f32; BLOCK] = std::array::from_fn(|i| channels[i % 3].1);
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (row_blocks, row_rest) = row.as_chunks_mut::<BLOCK>();
    for (row, block) in row_blocks.iter_mut().zip(blocks) {
        for i in 0..BLOCK {
            row[i] = f32::from(block[i]) * factors[i] + offsets[i];
        }
    }
    for (i, (x, byte)) in row_rest.iter_mut().zip(rest).enumerate() {
        *x = f32::from(*byte) * factors[i] + offsets[i];
    }
}

/// Three channels into three planes.
#[inline(always)]
fn planes(bytes: &[u8], row: &mut [f32], [a, b, c]: [(f32, f32); 3]) {
    let (first, rest) = row.split_at_mut(row.len() / 3);
    let (second, third) = rest.split_at_mut(rest.len() / 2);
    let rows = first.iter_mut().zip(second).zip(third);
    for (((x, y), z), pixel) in rows.zip(bytes.as_chunks::<3>().0) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;
    use crate::tests::target;

    /// A golden sample made on one machine must hold on another.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wider_vectors_make_the_same_bits() {
        if !is_x86_feature_detected!("avx2") {
            println!("skipped: this machine has no AVX2");
            return;
        }
        for color in [Color::Gray, Color::Rgb] {
            for layout in [Layout::Nchw, Layout::Nhwc] {
                let transform = Transform {
                    layout,
                    scale: 1.0 / 255.0,
                    mean: vec![0.485, 0.456, 0.406][..color.channels()].to_vec(),
                    std: vec![0.229, 0.224, 0.225][..color.channels()].to_vec(),
                    ..target(color, 37, 23)
                };
                let normalization = Normalization::new(&transform).unwrap();
                let bytes: Vec<u8> = (0..transform.row_len()).map(|i| (i * 7) as u8).collect();
                let [mut narrow, mut wide] = [(); 2].map(|()| vec![f32::NAN; bytes.len()]);
                normalization.write_any(&bytes, &mut narrow);
                // SAFETY: checked above.
                unsafe { normalization.write_avx2(&bytes, &mut wide) };
                let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&narrow), bits(&wide), "{color:?} {layout:?}");
            }
        }
    }
}
