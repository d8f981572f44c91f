//! Pictures in memory: bytes of one size, with or without labels, from idx files, folders or Parquet.

mod folder;
mod idx;
mod parquet;
mod pictures;

use anyhow::{Context, Result, bail, ensure};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::path::Path;
use stillhouse_image::Transform;

use crate::config::Sources;

/// Pictures of one size, as bytes in `[picture][channel][row][column]` order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// All bytes, picture after picture.
    pub pixels: Vec<u8>,
    /// Bytes per picture.
    pub row_len: usize,
    /// One class per picture; `None` where no labels are known.
    pub labels: Option<Vec<u8>>,
    /// Original width and height of each picture in pixels.
    pub sizes: Vec<(u32, u32)>,
}

impl Dataset {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.row_len.max(1)
    }

    /// Whether there are no pictures.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// The bytes of one picture.
    pub fn picture(&self, index: usize) -> &[u8] {
        &self.pixels[index * self.row_len..][..self.row_len]
    }

    /// The pictures at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            pixels: indices
                .iter()
                .flat_map(|&i| self.picture(i))
                .copied()
                .collect(),
            row_len: self.row_len,
            labels: self
                .labels
                .as_ref()
                .map(|labels| indices.iter().map(|&i| labels[i]).collect()),
            sizes: indices.iter().map(|&i| self.sizes[i]).collect(),
        }
    }

    /// Reads the data set at `path`: a folder, a Parquet file (by its suffix) or an idx file.
    ///
    /// # Errors
    /// Unreadable files, idx pictures of another size than the transform's, labels that `names` doesn't have.
    pub fn read(
        path: &Path,
        labels: Option<&Path>,
        transform: &Transform,
        names: &[String],
    ) -> Result<Self> {
        let classes = names.len();
        let dataset = if path.is_dir() {
            folder::read(path, transform, names)?
        } else if path.extension().is_some_and(|suffix| suffix == "parquet") {
            parquet::read(path, transform, names)?
        } else {
            idx::read(path, labels, transform)?
        };
        ensure!(!dataset.is_empty(), "{}: no pictures", path.display());
        if let Some(labels) = &dataset.labels {
            ensure!(
                labels.len() == dataset.len(),
                "{}: {} pictures, but {} labels",
                path.display(),
                dataset.len(),
                labels.len()
            );
            if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
                bail!(
                    "{}: label {label}, but there are only {classes} classes",
                    path.display()
                );
            }
        }
        Ok(dataset)
    }

    /// The classes without pictures; empty without labels.
    pub fn missing_classes(&self, classes: usize) -> Vec<usize> {
        let Some(labels) = &self.labels else {
            return Vec::new();
        };
        (0..classes)
            .filter(|&class| !labels.iter().any(|&label| usize::from(label) == class))
            .collect()
    }
}

/// The training, hold-out and test pictures of a run.
#[derive(Clone, Debug)]
pub struct Splits {
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Training pictures.
    pub train: Dataset,
    /// Hold-out pictures; may be empty.
    pub holdout: Dataset,
    /// Test pictures; may be empty.
    pub test: Dataset,
}

impl Splits {
    /// Reads all of `sources`; hold-out and limit are drawn with `seed`.
    ///
    /// # Errors
    /// As [`Dataset::read`]; a hold-out that leaves nothing; a class without pictures that isn't in `leave_out`.
    pub fn read(sources: &Sources, transform: &Transform, seed: u64) -> Result<Self> {
        let labels = read_labels(&sources.labels)?;
        let train = Dataset::read(
            &sources.train,
            sources.train_labels.as_deref(),
            transform,
            &labels,
        )?;
        let test = match &sources.test {
            Some(path) => Dataset::read(path, sources.test_labels.as_deref(), transform, &labels)?,
            None => Dataset {
                row_len: transform.row_len(),
                ..Dataset::default()
            },
        };
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x686f_6c64));
        ensure!(
            sources.holdout < order.len(),
            "data.holdout = {} leaves nothing of {} pictures",
            sources.holdout,
            order.len()
        );
        let holdout = train.select(&order.split_off(order.len() - sources.holdout));
        if !sources.leave_out.is_empty() {
            let known = train
                .labels
                .as_ref()
                .context("data.leave_out needs labels")?;
            order.retain(|&i| !sources.leave_out.contains(&usize::from(known[i])));
        }
        order.truncate(sources.limit.unwrap_or(usize::MAX));
        order.sort_unstable();
        let train = train.select(&order);
        ensure!(!train.is_empty(), "nothing is left to learn from");
        let missing: Vec<&str> = train
            .missing_classes(labels.len())
            .into_iter()
            .filter(|class| !sources.leave_out.contains(class))
            .map(|class| labels[class].as_str())
            .collect();
        ensure!(
            missing.is_empty(),
            "no picture of {}: add it to data.leave_out if this is intended",
            missing.join(", ")
        );
        Ok(Self {
            labels,
            train,
            holdout,
            test,
        })
    }
}

/// Reads a labels file: one name per line, in the order of the outputs.
///
/// # Errors
/// A file that can't be read, or fewer than two names.
pub fn read_labels(path: &Path) -> Result<Vec<String>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let labels: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    ensure!(
        labels.len() >= 2,
        "{}: a classifier needs at least two labels",
        path.display()
    );
    Ok(labels)
}
