//! Data augmentation, the same for teacher and student.

use anyhow::{Result, ensure};
use rand::{Rng, RngExt};
use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};

/// Random changes that keep a picture's class; all off by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Shift by up to this many pixels in each direction, filling with 0.
    pub shift: usize,
    /// Mirror left and right with probability 1/2.
    pub flip: bool,
    /// Blank a square with sides of this many pixels at a random position.
    pub erase: usize,
    /// Mix pairs of pictures with weights from Beta(mixup, mixup); 0 is off.
    pub mixup: f64,
}

/// Height and width of a picture whose bytes are `[channel][row][column]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Augment {
    /// # Errors
    /// A mixup weight that isn't a valid parameter of the distribution.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.mixup.is_finite() && self.mixup >= 0.0,
            "augment.mixup = {} must be 0 or a positive number",
            self.mixup
        );
        Ok(())
    }

    /// Writes a changed copy of `source` to `target`.
    pub fn apply(&self, source: &[u8], target: &mut [u8], size: Size, rng: &mut impl Rng) {
        let reach = self.shift as i32;
        let (down, right) = match reach {
            0 => (0, 0),
            _ => (
                rng.random_range(-reach..=reach),
                rng.random_range(-reach..=reach),
            ),
        };
        let mirrored = self.flip && rng.random();
        shift(
            source,
            target,
            size,
            down as isize,
            right as isize,
            mirrored,
        );
        if self.erase > 0 {
            let top = rng.random_range(0..size.height);
            let left = rng.random_range(0..size.width);
            for plane in target.chunks_exact_mut(size.height * size.width) {
                for row in plane
                    .chunks_exact_mut(size.width)
                    .skip(top)
                    .take(self.erase)
                {
                    row.iter_mut()
                        .skip(left)
                        .take(self.erase)
                        .for_each(|pixel| *pixel = 0);
                }
            }
        }
    }

    /// The weight of the first picture of a mixed pair; at least one half, 1 where mixup is off.
    pub fn mix(&self, rng: &mut impl Rng) -> f32 {
        if self.mixup == 0.0 {
            return 1.0;
        }
        let weight: f64 = Beta::new(self.mixup, self.mixup).map_or(1.0, |beta| beta.sample(rng));
        weight.max(1.0 - weight) as f32
    }
}

/// Copies `source` moved by `down` rows and `right` columns, mirrored first if `mirrored`; pixels from outside are 0.
pub fn shift<T: Copy + Default>(
    source: &[T],
    target: &mut [T],
    size: Size,
    down: isize,
    right: isize,
    mirrored: bool,
) {
    let plane = size.height * size.width;
    for (source, target) in source
        .chunks_exact(plane)
        .zip(target.chunks_exact_mut(plane))
    {
        for (y, row) in target.chunks_exact_mut(size.width).enumerate() {
            let from = y as isize - down;
            let Some(line) = usize::try_from(from)
                .ok()
                .filter(|&from| from < size.height)
            else {
                row.fill(T::default());
                continue;
            };
            let line = &source[line * size.width..][..size.width];
            for (x, pixel) in row.iter_mut().enumerate() {
                let from = usize::try_from(x as isize - right)
                    .ok()
                    .filter(|&from| from < size.width);
                *pixel = match from {
                    Some(from) if mirrored => line[size.width - 1 - from],
                    Some(from) => line[from],
                    None => T::default(),
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const SIZE: Size = Size {
        height: 2,
        width: 3,
    };

    #[test]
    fn shifts_fill_with_zero_and_mirror_first() {
        let check = |down, right, mirrored, expected: [u8; 6]| {
            let mut target = [99; 6];
            shift(
                &[1, 2, 3, 4, 5, 6],
                &mut target,
                SIZE,
                down,
                right,
                mirrored,
            );
            assert_eq!(target, expected, "{down} {right} {mirrored}");
        };
        check(0, 0, false, [1, 2, 3, 4, 5, 6]);
        check(0, 0, true, [3, 2, 1, 6, 5, 4]);
        check(1, 0, false, [0, 0, 0, 1, 2, 3]);
        check(-1, 1, false, [0, 4, 5, 0, 0, 0]);
        check(0, -1, true, [2, 1, 0, 5, 4, 0]);
        check(2, 0, false, [0; 6]);
    }

    #[test]
    fn nothing_asked_for_changes_nothing() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut target = [0; 6];
        Augment::default().apply(&[1, 2, 3, 4, 5, 6], &mut target, SIZE, &mut rng);
        assert_eq!(target, [1, 2, 3, 4, 5, 6]);
        assert_eq!(Augment::default().mix(&mut rng), 1.0);
    }

    #[test]
    fn an_erased_square_is_all_that_is_missing() {
        let size = Size {
            height: 8,
            width: 8,
        };
        let augment = Augment {
            erase: 3,
            ..Augment::default()
        };
        let mut rng = StdRng::seed_from_u64(2);
        for _ in 0..50 {
            let mut target = [0; 64];
            augment.apply(&[200; 64], &mut target, size, &mut rng);
            let blank = target.iter().filter(|&&pixel| pixel == 0).count();
            assert!((1..=9).contains(&blank), "{blank}");
        }
    }

    #[test]
    fn mixing_weights_have_the_mean_of_the_folded_beta() {
        // Beta(1, 1) is uniform; folded to [0.5, 1] its mean is 0.75.
        let augment = Augment {
            mixup: 1.0,
            ..Augment::default()
        };
        let mut rng = StdRng::seed_from_u64(3);
        let mean = (0..20_000)
            .map(|_| f64::from(augment.mix(&mut rng)))
            .sum::<f64>()
            / 20_000.0;
        assert!((mean - 0.75).abs() < 0.005, "{mean}");
    }
}
