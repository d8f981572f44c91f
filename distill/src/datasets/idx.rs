//! The idx files of MNIST and its relatives as data sets.

use anyhow::{Result, ensure};
use std::path::Path;
use stillhouse_image::{Color, Transform};
use stillhouse_import::idx::Idx;

use super::Dataset;

/// Reads pictures from one idx file and labels from another.
pub(super) fn read(path: &Path, labels: Option<&Path>, transform: &Transform) -> Result<Dataset> {
    ensure!(
        transform.color == Color::Gray,
        "{}: idx pictures are gray, so transform.color must be",
        path.display()
    );
    let Idx { dims, bytes } = Idx::read(path)?;
    ensure!(
        dims.len() == 3,
        "{}: {} dimensions, but pictures have 3",
        path.display(),
        dims.len()
    );
    ensure!(
        dims[1] == transform.height as usize && dims[2] == transform.width as usize,
        "{}: pictures of {}×{}, but the transform says {}×{} and idx pictures are not resized",
        path.display(),
        dims[2],
        dims[1],
        transform.width,
        transform.height
    );
    let labels = labels
        .map(|path| {
            let Idx { dims, bytes } = Idx::read(path)?;
            ensure!(
                dims.len() == 1,
                "{}: {} dimensions, but labels have 1",
                path.display(),
                dims.len()
            );
            Ok(bytes)
        })
        .transpose()?;
    Ok(Dataset {
        pixels: bytes,
        row_len: dims[1] * dims[2],
        labels,
        sizes: vec![(transform.width, transform.height); dims[0]],
    })
}
