//! How far outputs are from those that were given.

use stillhouse_golden::kind::{kind_of, refute};
use stillhouse_store::manifest::OutputKind;

/// Smaller probabilities are noise.
const SMALLEST: f32 = 1e-6;

/// The given outputs, one row per picture.
pub(super) struct Distance<'a> {
    given: &'a [&'a [f32]],
    are_probabilities: bool,
}

impl<'a> Distance<'a> {
    pub(super) fn new(given: &'a [&'a [f32]]) -> Self {
        Self {
            given,
            are_probabilities: kind_of(given) == OutputKind::Probabilities,
        }
    }

    /// The distance of all rows together, as a fraction of the size of those given: 0 is the same, 1 is nothing in common.
    pub(super) fn of(&self, pictures: &[usize], found: &[Vec<f32>]) -> f64 {
        let (mut apart, mut size) = (0.0, 0.0);
        for (index, found) in pictures.iter().zip(found) {
            let (row_apart, row_size) = self.row(*index, found);
            apart += row_apart;
            size += row_size;
        }
        // No number: worse than anything.
        let off = (apart / size.max(1e-12)).sqrt();
        if off.is_nan() { f64::INFINITY } else { off }
    }

    /// How many rows have the largest number at the same class.
    pub(super) fn same_labels(&self, pictures: &[usize], found: &[Vec<f32>]) -> usize {
        let pairs = pictures.iter().zip(found);
        pairs
            .filter(|(index, found)| top(self.given[**index]) == top(found))
            .count()
    }

    /// In words, a picture whose outputs are another picture's row, if that is so for nearly all of them: then the order of
    /// pictures and rows differs.
    pub(super) fn belongs_elsewhere(
        &self,
        pictures: &[usize],
        found: &[Vec<f32>],
    ) -> Option<String> {
        let mut moved = Vec::new();
        for (index, found) in pictures.iter().zip(found) {
            let off = |row: usize| {
                let (apart, size) = self.row(row, found);
                (apart / size.max(1e-12)).sqrt()
            };
            let rows = (0..self.given.len()).map(|row| (row, off(row)));
            let (nearest, distance) = rows.min_by(|a, b| a.1.total_cmp(&b.1))?;
            if distance > super::SAME {
                return None;
            }
            // Equal rows, of equal pictures, say nothing.
            if nearest != *index && off(*index) > super::SAME {
                moved.push((*index, nearest));
            }
        }
        let (picture, row) = moved.first()?;
        Some(format!("picture {picture} fits row {row}, counted from 0"))
    }

    /// The squared distance of a row from the one given, and that one's squared size.
    fn row(&self, index: usize, found: &[f32]) -> (f64, f64) {
        let are_probabilities = refute(found).is_none();
        let as_logits = self.are_probabilities || are_probabilities;
        let given = comparable(self.given[index], as_logits, self.are_probabilities);
        let found = comparable(found, as_logits, are_probabilities);
        let squares = given.iter().zip(&found).map(|(a, b)| (a - b).powi(2));
        (squares.sum(), given.iter().map(|a| a * a).sum())
    }
}

/// A row such that rows with the same meaning are equal: logits that differ by a constant, log-probabilities, probabilities.
fn comparable(row: &[f32], as_logits: bool, is_probabilities: bool) -> Vec<f64> {
    let row: Vec<f64> = match (as_logits, is_probabilities) {
        (true, true) => row
            .iter()
            .map(|p| f64::from(p.max(SMALLEST)).ln())
            .collect(),
        (true, false) => {
            let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|z| f64::from(z - top).exp()).sum();
            let ln = |z: &f32| f64::from(z - top) - sum.ln();
            row.iter()
                .map(|z| ln(z).max(f64::from(SMALLEST).ln()))
                .collect()
        }
        (false, _) => row.iter().map(|z| f64::from(*z)).collect(),
    };
    if row.len() < 2 {
        return row;
    }
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    row.iter().map(|value| value - mean).collect()
}

/// The class with the largest number, of equals the first.
pub(crate) fn top(row: &[f32]) -> usize {
    let mut top = 0;
    for (class, value) in row.iter().enumerate() {
        if *value > row[top] {
            top = class;
        }
    }
    top
}
