//! Writes a network as a version: manifest, graph, golden samples, reference statistics.

use anyhow::{Result, anyhow};
use std::path::Path;
use stillhouse_image::{Color, Transform};
use stillhouse_store::{
    Golden, Labels, Manifest, NewVersion,
    manifest::{Element, Input, Output, OutputKind, Training},
};

use crate::{datasets::Dataset, onnx, reference::Validation, version_path::VersionPath};

/// Number of golden samples in a version.
const GOLDEN: usize = 6;
/// Tolerance of raw outputs relative to the largest one, since engines differ in the order of their sums.
const TOLERANCE: f32 = 1e-3;

/// The content of a version to write.
#[derive(Debug)]
pub struct VersionDraft<'a> {
    /// One-line description.
    pub description: String,
    /// The ONNX file.
    pub graph: Vec<u8>,
    /// From picture to tensor.
    pub transform: Transform,
    /// Origin of the network, for the manifest.
    pub training: Training,
    /// The names of the classes.
    pub labels: &'a [String],
    /// Pictures for reference statistics and golden samples, not used for training.
    pub validation: &'a Dataset,
    /// The network's own logits on them, row-major `[pictures, classes]`.
    pub logits: Vec<f32>,
    /// The teacher's logits on them, for students.
    pub teacher: Option<Vec<f32>>,
}

impl VersionDraft<'_> {
    /// Writes the version `<repository>/<model>/<version>`, complete or not at all.
    ///
    /// # Errors
    /// A directory that exists, unless `force`; a model with other labels; I/O errors.
    pub fn write(&self, folder: &Path, force: bool) -> Result<Manifest> {
        let version_path = VersionPath::of(folder)?;
        Ok(version_path.write(&self.version()?, force)?.manifest)
    }

    fn version(&self) -> Result<NewVersion> {
        let golden = self
            .pick()
            .into_iter()
            .map(|index| self.golden(index))
            .collect::<Result<_>>()?;
        let reference = Validation {
            pictures: self.validation,
            transform: &self.transform,
            logits: &self.logits,
            teacher: self.teacher.as_deref(),
            classes: self.labels.len(),
        };
        let input = Input::new(onnx::INPUT, Element::F32);
        let output = Output::new(onnx::OUTPUT, OutputKind::Logits, self.labels.len());
        let manifest = Manifest {
            description: self.description.clone(),
            training: Some(self.training.clone()),
            reference: Some(reference.reference()),
            ..Manifest::new(input, self.transform.clone(), output)
        };
        Ok(NewVersion {
            manifest,
            labels: Labels::new(self.labels.to_vec())
                .map_err(|wrong| anyhow!("the labels: {wrong}"))?,
            model_bytes: self.graph.clone().into(),
            golden,
        })
    }

    /// Indices of the golden samples: the first picture of several classes, evenly spread, or the first pictures without
    /// labels. Only pictures with finite logits, since JSON has no other numbers.
    fn pick(&self) -> Vec<usize> {
        let classes = self.labels.len();
        let wanted = GOLDEN.min(classes).min(self.validation.len());
        let finite = |&i: &usize| self.row(i).iter().all(|z| z.is_finite());
        let pictures = (0..self.validation.len()).filter(finite);
        match &self.validation.labels {
            None => pictures.take(wanted).collect(),
            Some(labels) => {
                let class = |i: usize| i * classes / wanted;
                let first = |class| pictures.clone().find(|&i| usize::from(labels[i]) == class);
                (0..wanted).map(class).filter_map(first).collect()
            }
        }
    }

    fn row(&self, index: usize) -> &[f32] {
        let classes = self.labels.len();
        &self.logits[index * classes..][..classes]
    }

    fn golden(&self, index: usize) -> Result<Golden> {
        Ok(Golden {
            name: index.to_string(),
            image: png(self.validation.picture(index), &self.transform)?.into(),
            outputs: self.row(index).to_vec(),
            tolerance: TOLERANCE,
        })
    }
}

/// A picture's bytes as PNG.
///
/// # Errors
/// Bytes that don't match the transform's size.
pub fn png(picture: &[u8], transform: &Transform) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, transform.width, transform.height);
    encoder.set_depth(png::BitDepth::Eight);
    let plane = (transform.width * transform.height) as usize;
    let pixels: Vec<u8> = match transform.color {
        Color::Gray => {
            encoder.set_color(png::ColorType::Grayscale);
            picture.to_vec()
        }
        color => {
            encoder.set_color(png::ColorType::Rgb);
            let order = if color == Color::Rgb {
                [0, 1, 2]
            } else {
                [2, 1, 0]
            };
            (0..plane)
                .flat_map(|i| order.map(|channel| picture[channel * plane + i]))
                .collect()
        }
    };
    encoder.set_compression(png::Compression::High);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(bytes)
}
