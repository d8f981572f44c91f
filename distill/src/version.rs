//! A version's directory: manifest, graph, golden samples, reference statistics.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fs, path::Path};
use stillhouse::{
    drift::confidence::Confidence,
    image::{Color, Transform},
    import::reference::ventiles,
    store::manifest::{
        Element, File, Golden, Input, Manifest, Output, OutputKind, Reference, SCHEMA, Training,
    },
};

use crate::{
    datasets::Dataset,
    measure::{self, Likeness},
    onnx,
};

/// Golden samples written with a version.
const GOLDEN: usize = 6;
/// How far any raw output may be off, relative to the largest: engines differ in the order of their sums.
const TOLERANCE: f32 = 1e-3;

/// What a version is written from.
#[derive(Debug)]
pub struct Draft<'a> {
    /// One line for people.
    pub description: String,
    /// The ONNX file.
    pub graph: Vec<u8>,
    /// From picture to tensor.
    pub transform: Transform,
    /// Where the network comes from.
    pub training: Training,
    /// The pictures that reference and golden samples are taken from, none of them trained on.
    pub validation: &'a Dataset,
    /// The network's own logits on them, row-major `[pictures, classes]`.
    pub logits: Vec<f32>,
    /// The teacher's logits on them, for students.
    pub teacher: Option<Vec<f32>>,
    /// Number of labels.
    pub classes: usize,
}

impl Draft<'_> {
    /// Writes the directory `folder`, complete or not at all.
    ///
    /// # Errors
    /// A directory that exists, unless `force`; whatever the disk says.
    pub fn write(&self, folder: &Path, force: bool) -> Result<Manifest> {
        ensure!(
            force || !folder.exists(),
            "{} exists: replace it with --force",
            folder.display()
        );
        let parent = folder
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        let fresh = tempfile::Builder::new()
            .prefix(".writing-")
            .tempdir_in(parent)?;
        let manifest = self
            .fill(fresh.path())
            .with_context(|| format!("writing {}", folder.display()))?;
        if folder.exists() {
            ensure!(
                folder.join("manifest.toml").exists(),
                "{} is no version, so it isn't replaced",
                folder.display()
            );
            fs::remove_dir_all(folder)?;
        }
        let fresh = fresh.keep();
        set_readable(&fresh)?;
        fs::rename(&fresh, folder)
            .with_context(|| format!("moving {} into place", folder.display()))?;
        Ok(manifest)
    }

    fn fill(&self, folder: &Path) -> Result<Manifest> {
        fs::write(folder.join("model.onnx"), &self.graph)?;
        fs::create_dir(folder.join("golden"))?;
        let golden = self
            .pick()
            .into_iter()
            .map(|index| self.golden(folder, index))
            .collect::<Result<_>>()?;
        let manifest = Manifest {
            schema: SCHEMA,
            description: self.description.clone(),
            file: File {
                name: "model.onnx".to_owned(),
                sha256: hex(&Sha256::digest(&self.graph)),
                size_bytes: self.graph.len() as u64,
            },
            input: Input {
                name: onnx::INPUT.to_owned(),
                element: Element::F32,
            },
            transform: self.transform.clone(),
            output: Output {
                name: onnx::OUTPUT.to_owned(),
                kind: OutputKind::Logits,
                classes: self.classes,
            },
            training: Some(self.training.clone()),
            reference: Some(self.reference()),
            golden,
        };
        fs::write(folder.join("manifest.toml"), toml::to_string(&manifest)?)?;
        Ok(manifest)
    }

    /// The first picture of several classes, evenly spread; the first pictures where labels are missing. Only pictures
    /// with finite logits: JSON knows no others.
    fn pick(&self) -> Vec<usize> {
        let wanted = GOLDEN.min(self.classes).min(self.validation.len());
        let finite = |&i: &usize| self.row(i).iter().all(|z| z.is_finite());
        let pictures = (0..self.validation.len()).filter(finite);
        match &self.validation.labels {
            None => pictures.take(wanted).collect(),
            Some(labels) => {
                let class = |i: usize| i * self.classes / wanted;
                let first = |class| pictures.clone().find(|&i| usize::from(labels[i]) == class);
                (0..wanted).map(class).filter_map(first).collect()
            }
        }
    }

    fn row(&self, index: usize) -> &[f32] {
        &self.logits[index * self.classes..][..self.classes]
    }

    fn golden(&self, folder: &Path, index: usize) -> Result<Golden> {
        let image = format!("golden/{index}.png");
        let outputs = format!("golden/{index}.json");
        fs::write(
            folder.join(&image),
            png(self.validation.picture(index), &self.transform)?,
        )?;
        fs::write(folder.join(&outputs), json!(self.row(index)).to_string())?;
        Ok(Golden {
            image,
            outputs,
            tolerance: TOLERANCE,
        })
    }

    fn reference(&self) -> Reference {
        let (pictures, classes) = (self.validation.len(), self.classes);
        let mut counts = vec![0_u64; classes];
        let mut watched: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for row in self
            .logits
            .chunks_exact(classes)
            .filter(|row| row.iter().all(|z| z.is_finite()))
        {
            let confidence = Confidence::of(row);
            counts[confidence.top1] += 1;
            for (name, value) in [
                ("top1_probability", confidence.top1_probability),
                ("margin", confidence.margin),
                ("log_sum_exp", confidence.log_sum_exp),
            ] {
                watched.entry(name.into()).or_default().push(value);
            }
        }
        // Pictures without a finite answer belong to no class.
        let rows: u64 = counts.iter().sum();
        let smoothed = |count: u64| (count as f64 + 0.5) / (rows as f64 + classes as f64 / 2.0);
        let score = self
            .validation
            .labels
            .as_ref()
            .map(|labels| measure::score(&self.logits, classes, labels));
        let likeness: Option<Likeness> = self
            .teacher
            .as_ref()
            .map(|teacher| measure::likeness(teacher, &self.logits, classes));
        Reference {
            samples: rows,
            class_ratios: counts.into_iter().map(smoothed).collect(),
            accuracy: score.map(|score| 1.0 - score.errors as f64 / pictures as f64),
            agreement: likeness.as_ref().map(|likeness| likeness.agreement),
            kl_mean_nats: likeness
                .as_ref()
                .map(|likeness| likeness.kl_mean_nats)
                .filter(|kl| kl.is_finite()),
            kl_clipped_mean_nats: likeness
                .as_ref()
                .map(|likeness| likeness.kl_clipped_mean_nats),
            ventiles: watched
                .into_iter()
                .map(|(name, values)| (name, ventiles(values)))
                .collect(),
        }
    }
}

/// A picture's bytes as PNG.
///
/// # Errors
/// Bytes that don't make a picture of the transform's size.
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

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A temporary directory is its owner's alone; a version is for every reader.
#[cfg(unix)]
fn set_readable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(
        folder,
        fs::Permissions::from_mode(0o755),
    )?)
}

#[cfg(not(unix))]
fn set_readable(_folder: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ventiles;

    #[test]
    fn ventiles_are_numpys() {
        let expected: Vec<f64> = (1..20).map(f64::from).collect();
        assert_eq!(ventiles((0..=20).rev().map(f64::from).collect()), expected);
        assert!((ventiles(vec![4.0, 1.0, 2.0])[18] - 3.8).abs() < 1e-12);
        assert_eq!(ventiles(vec![7.0]), [7.0; 19]);
    }
}
