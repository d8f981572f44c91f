//! An ONNX file on the server's own engine, whatever it was trained with.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{fs, path::Path};
use stillhouse_engine::{Activation, Backend, Engine, EngineOptions, Hints, find_library, prepare};
use stillhouse_image::{Layout, Transform};
use stillhouse_import::engine_options;
use stillhouse_store::manifest::{Manifest, OutputKind};

use super::interface::Teacher;
use crate::batches::Pixels;

/// Largest batch of the engine, unless it prefers less.
const CHUNK: usize = 64;

/// A network on ONNX Runtime where its library is found, otherwise on tract.
pub struct EngineTeacher {
    engine: Box<dyn Engine>,
    transform: Transform,
    row_len: usize,
    classes: usize,
    probabilities: bool,
    rows: usize,
}

impl EngineTeacher {
    /// A plain ONNX file, whose input is made with `transform`.
    ///
    /// # Errors
    /// A file that can't be read or that the engine refuses, or an input of another size than the transform's.
    pub fn file(path: &Path, transform: &Transform) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Self::load(bytes.into(), transform.clone(), None, Hints::default())
            .with_context(|| format!("loading {}", path.display()))
    }

    /// A version's directory, whose manifest has the transform.
    ///
    /// # Errors
    /// As [`EngineTeacher::file`]; a checksum that differs from the manifest's.
    pub fn version(folder: &Path) -> Result<Self> {
        let text = fs::read_to_string(folder.join("manifest.toml"))?;
        let manifest: Manifest =
            toml::from_str(&text).with_context(|| format!("in {}", folder.display()))?;
        let path = folder.join(&manifest.file.name);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = hex(&Sha256::digest(&bytes));
        ensure!(
            found == manifest.file.sha256,
            "{}: sha256 {found} isn't the manifest's",
            path.display()
        );
        let kind = manifest.output.kind;
        let hints = engine_options(&manifest, &EngineOptions::new(Backend::Tract)).hints;
        Self::load(bytes.into(), manifest.transform, Some(kind), hints)
            .with_context(|| format!("loading {}", path.display()))
    }

    /// `kind` is the manifest's; a plain file's is what its last activation shows.
    fn load(
        bytes: Bytes,
        transform: Transform,
        kind: Option<OutputKind>,
        hints: Hints,
    ) -> Result<Self> {
        let backend = if find_library(None).is_some() {
            Backend::Ort
        } else {
            Backend::Tract
        };
        let threads = rayon::current_num_threads();
        let options = EngineOptions {
            intra_threads: threads,
            hints: Hints {
                row_shape: Some(transform.tensor_shape()),
                ..hints
            },
            ..EngineOptions::new(backend)
        };
        let blueprint = prepare(&bytes, &options)?;
        let signature = blueprint.signature().clone();
        ensure!(
            signature.row_len == transform.row_len(),
            "the graph reads {} numbers a picture, the transform makes {}",
            signature.row_len,
            transform.row_len()
        );
        let kind = kind.unwrap_or(match (signature.activation, signature.single_score) {
            (Some(Activation::Sigmoid), None) => OutputKind::Independent,
            (Some(_), _) => OutputKind::Probabilities,
            (None, _) => OutputKind::Logits,
        });
        ensure!(
            !kind.is_independent(),
            "its scores are independent (any number of labels applies): students are trained for classes of which exactly one applies"
        );
        let rows = blueprint.batch_limit().unwrap_or(CHUNK).min(CHUNK);
        Ok(Self {
            engine: blueprint.build(rows)?,
            transform,
            row_len: signature.row_len,
            classes: signature.classes,
            probabilities: kind == OutputKind::Probabilities,
            rows,
        })
    }
}

impl Teacher for EngineTeacher {
    fn classes(&self) -> usize {
        self.classes
    }

    fn transform(&self) -> &Transform {
        &self.transform
    }

    fn logits(&mut self, pixels: &Pixels) -> Result<Vec<f32>> {
        let mut inputs = pixels.normalized(&self.transform);
        if self.transform.layout == Layout::Nhwc {
            channels_last(&mut inputs, &self.transform);
        }
        let mut logits = Vec::with_capacity(pixels.rows() * self.classes);
        for chunk in inputs.chunks(self.rows * self.row_len) {
            let rows = chunk.len() / self.row_len;
            self.engine.input(rows).copy_from_slice(chunk);
            logits.extend_from_slice(self.engine.run(rows)?);
        }
        if self.probabilities {
            logits
                .iter_mut()
                .for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
        }
        Ok(logits)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From `[channel][pixel]` to `[pixel][channel]`, for each picture.
fn channels_last(inputs: &mut [f32], transform: &Transform) {
    let channels = transform.color.channels();
    let places = transform.row_len() / channels;
    for row in inputs.chunks_exact_mut(transform.row_len()) {
        let planes = row.to_vec();
        for (i, value) in row.iter_mut().enumerate() {
            *value = planes[i % channels * places + i / channels];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stillhouse_image::Color;

    #[test]
    fn channels_go_last() {
        let transform = Transform {
            layout: Layout::Nhwc,
            ..Transform::plain(Color::Rgb, 2, 1)
        };
        let mut row = [1.0, 2.0, 10.0, 20.0, 100.0, 200.0];
        channels_last(&mut row, &transform);
        assert_eq!(row, [1.0, 10.0, 100.0, 2.0, 20.0, 200.0]);
    }
}
