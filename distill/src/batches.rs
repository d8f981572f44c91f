//! From a data set to batches: an order, augmented pixels, hard targets.

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use stillhouse_image::Transform;

use crate::{
    augment::{Augment, Size, shift},
    datasets::Dataset,
};

/// Pictures as network input before normalisation: byte values as floats, since mixing makes fractions.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    values: Vec<f32>,
    row_len: usize,
    size: Size,
}

impl Pixels {
    /// The pictures of `dataset` at `indices`, unchanged.
    pub fn plain(dataset: &Dataset, indices: impl Iterator<Item = usize>, size: Size) -> Self {
        let values = indices
            .flat_map(|i| dataset.picture(i))
            .map(|&byte| f32::from(byte))
            .collect();
        Self {
            values,
            row_len: dataset.row_len,
            size,
        }
    }

    /// Number of pictures.
    pub fn rows(&self) -> usize {
        self.values.len() / self.row_len
    }

    /// The input of a network with this transform: `(byte * scale - mean[c]) / std[c]`.
    pub fn normalized(&self, transform: &Transform) -> Vec<f32> {
        let plane = self.size.height * self.size.width;
        let mut values = self.values.clone();
        for (i, plane) in values.chunks_exact_mut(plane).enumerate() {
            let channel = i % transform.color.channels();
            let mean = transform.mean[channel.min(transform.mean.len() - 1)];
            let std = transform.std[channel.min(transform.std.len() - 1)];
            plane
                .iter_mut()
                .for_each(|value| *value = (*value * transform.scale - mean) / std);
        }
        values
    }

    /// A copy with every picture moved by rows and columns.
    pub fn moved(&self, (down, right): (isize, isize)) -> Self {
        let mut values = vec![0.0; self.values.len()];
        for (source, target) in self
            .values
            .chunks_exact(self.row_len)
            .zip(values.chunks_exact_mut(self.row_len))
        {
            shift(source, target, self.size, down, right, false);
        }
        Self { values, ..*self }
    }
}

/// The pictures and label weights of one step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Indices of the pictures, before mixing.
    pub indices: Vec<usize>,
    /// Input of both networks.
    pub pixels: Pixels,
    /// Weights of the labels, row-major `[pictures, classes]`; empty without labels.
    pub hard: Vec<f32>,
}

/// The batches of one epoch, in an order that depends only on seed and epoch.
#[derive(Debug)]
pub struct Epoch<'a> {
    dataset: &'a Dataset,
    augment: &'a Augment,
    size: Size,
    classes: usize,
    batch: usize,
    order: Vec<usize>,
    next: usize,
    rng: StdRng,
}

impl<'a> Epoch<'a> {
    /// The `epoch`-th pass over `dataset`.
    pub fn new(
        dataset: &'a Dataset,
        augment: &'a Augment,
        size: Size,
        classes: usize,
        batch: usize,
        (seed, epoch): (u64, usize),
    ) -> Self {
        let mut rng =
            StdRng::seed_from_u64(seed.wrapping_mul(1_000_003).wrapping_add(epoch as u64));
        let mut order: Vec<usize> = (0..dataset.len()).collect();
        order.shuffle(&mut rng);
        Self {
            dataset,
            augment,
            size,
            classes,
            batch,
            order,
            next: 0,
            rng,
        }
    }
}

impl Iterator for Epoch<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let indices = self.order[self.next..]
            .iter()
            .take(self.batch)
            .copied()
            .collect::<Vec<_>>();
        if indices.is_empty() {
            return None;
        }
        self.next += indices.len();
        let row_len = self.dataset.row_len;
        let mut bytes = vec![0; row_len];
        let mut values = Vec::with_capacity(indices.len() * row_len);
        for &i in &indices {
            self.augment.apply(
                self.dataset.picture(i),
                &mut bytes,
                self.size,
                &mut self.rng,
            );
            values.extend(bytes.iter().map(|&byte| f32::from(byte)));
        }
        let weight = self.augment.mix(&mut self.rng);
        let mut hard = one_hot(self.dataset, &indices, self.classes);
        if weight < 1.0 {
            mix(&mut values, row_len, weight);
            mix(&mut hard, self.classes, weight);
        }
        Some(Batch {
            indices,
            pixels: Pixels {
                values,
                row_len,
                size: self.size,
            },
            hard,
        })
    }
}

fn one_hot(dataset: &Dataset, indices: &[usize], classes: usize) -> Vec<f32> {
    let Some(labels) = &dataset.labels else {
        return Vec::new();
    };
    let mut hard = vec![0.0; indices.len() * classes];
    for (row, &i) in hard.chunks_exact_mut(classes).zip(indices) {
        row[usize::from(labels[i])] = 1.0;
    }
    hard
}

/// Mixes each row with its opposite (the first with the last); the order is random already.
fn mix(values: &mut [f32], row_len: usize, weight: f32) {
    let rows = values.len() / row_len.max(1);
    let other: Vec<f32> = values
        .chunks_exact(row_len.max(1))
        .rev()
        .flatten()
        .copied()
        .collect();
    debug_assert_eq!(other.len(), rows * row_len);
    values
        .iter_mut()
        .zip(other)
        .for_each(|(value, other)| *value = weight * *value + (1.0 - weight) * other);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        height: 1,
        width: 2,
    };

    fn dataset() -> Dataset {
        Dataset {
            pixels: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            row_len: 2,
            labels: Some(vec![0, 1, 0, 1, 2]),
            sizes: vec![(2, 1); 5],
        }
    }

    #[test]
    fn an_epoch_shows_every_picture_once_with_its_label() {
        let (dataset, augment) = (dataset(), Augment::default());
        let batches: Vec<Batch> = Epoch::new(&dataset, &augment, SIZE, 3, 2, (1, 0)).collect();
        assert_eq!(
            batches
                .iter()
                .map(|batch| batch.indices.len())
                .collect::<Vec<_>>(),
            [2, 2, 1]
        );
        let mut seen: Vec<usize> = batches
            .iter()
            .flat_map(|batch| batch.indices.clone())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        for batch in &batches {
            for (row, &i) in batch.indices.iter().enumerate() {
                assert_eq!(
                    batch.pixels.values[row * 2..][..2],
                    [2.0 * i as f32, 2.0 * i as f32 + 1.0]
                );
                let label = usize::from(dataset.labels.as_ref().unwrap()[i]);
                assert_eq!(batch.hard[row * 3 + label], 1.0);
            }
        }
    }

    #[test]
    fn seed_and_epoch_decide_the_order() {
        let (dataset, augment) = (
            dataset(),
            Augment {
                shift: 1,
                ..Augment::default()
            },
        );
        let all = |seed, epoch| {
            Epoch::new(&dataset, &augment, SIZE, 3, 2, (seed, epoch)).collect::<Vec<_>>()
        };
        assert_eq!(all(1, 4), all(1, 4));
        assert_ne!(all(1, 4), all(1, 5));
        assert_ne!(all(1, 4), all(2, 4));
    }

    #[test]
    fn mixed_rows_keep_their_sum_and_mix_labels_alike() {
        let mut rows = [1.0, 0.0, 0.0, 1.0];
        mix(&mut rows, 2, 0.75);
        assert_eq!(rows, [0.75, 0.25, 0.25, 0.75]);
    }
}
