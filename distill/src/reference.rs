//! Reference statistics from validation, with which drift and divergence are compared.

use std::collections::BTreeMap;
use stillhouse_drift::confidence::Confidence;
use stillhouse_image::{Pixels, Statistics, Thumbnail, Transform};
use stillhouse_import::reference::{watch, watch_inputs};
use stillhouse_store::manifest::Reference;

use crate::{datasets::Dataset, measure};

/// Validation pictures with the network's outputs.
#[derive(Clone, Copy, Debug)]
pub struct Validation<'a> {
    /// The pictures; accuracy needs their labels.
    pub pictures: &'a Dataset,
    /// The transform that resized them.
    pub transform: &'a Transform,
    /// The network's logits, row-major `[pictures, classes]`.
    pub logits: &'a [f32],
    /// The teacher's logits.
    pub teacher: Option<&'a [f32]>,
    /// Number of labels.
    pub classes: usize,
}

impl Validation<'_> {
    /// The `[reference]` of a manifest. A picture without a finite answer belongs to no class and has no confidence, but
    /// counts as an error and as a disagreement; it counts as an input like any other.
    pub fn reference(&self) -> Reference {
        let (pictures, classes) = (self.pictures, self.classes);
        let mut counts = vec![0_u64; classes];
        let mut watched: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let rows = self.logits.chunks_exact(classes);
        for row in rows.filter(|row| row.iter().all(|z| z.is_finite())) {
            let confidence = Confidence::of(row);
            counts[confidence.top1] += 1;
            for (name, value) in [
                ("top1_probability", confidence.top1_probability),
                ("margin", confidence.margin),
                ("log_sum_exp", confidence.log_sum_exp),
            ] {
                watched.entry(name).or_default().push(value);
            }
        }
        let answered: u64 = counts.iter().sum();
        let smoothed = |count: u64| (count as f64 + 0.5) / (answered as f64 + classes as f64 / 2.0);
        let labels = pictures.labels.as_ref();
        let score = labels.map(|labels| measure::score(self.logits, classes, labels));
        let teacher = self.teacher;
        let likeness =
            teacher.map(|teacher| measure::compare_with_teacher(teacher, self.logits, classes));
        let mut reference = Reference {
            samples: answered,
            class_ratios: counts.into_iter().map(smoothed).collect(),
            accuracy: score.map(|score| 1.0 - score.errors as f64 / pictures.len() as f64),
            agreement: likeness.as_ref().map(|likeness| likeness.agreement),
            kl_mean_nats: likeness
                .as_ref()
                .map(|likeness| likeness.kl_mean_nats)
                .filter(|kl| kl.is_finite()),
            kl_clipped_mean_nats: likeness.map(|likeness| likeness.kl_clipped_mean_nats),
            ..Reference::default()
        };
        watch_inputs(&mut reference, &statistics(pictures, self.transform));
        for (name, values) in watched {
            watch(&mut reference, name, values);
        }
        reference
    }
}

/// The statistics that a server would measure of each picture.
///
/// # Panics
/// On pictures of another size than the transform's.
pub fn statistics(pictures: &Dataset, transform: &Transform) -> Vec<Statistics> {
    let mut thumbnail = Thumbnail::new();
    let channels = transform.color.channels();
    let plane = transform.row_len() / channels;
    (0..pictures.len())
        .map(|i| {
            let planes = pictures.picture(i);
            let bytes = (0..planes.len()).map(|at| planes[at % channels * plane + at / channels]);
            let pixels = Pixels::from_bytes(transform, bytes.collect());
            let pixels = pixels.expect("a data set has the transform's size");
            Statistics::of(&pixels, transform, pictures.sizes[i], &mut thumbnail)
        })
        .collect()
}
