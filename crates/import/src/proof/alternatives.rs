//! Transforms that people mean when they say another one.

use std::time::Instant;

use stillhouse_image::{Color, Filter, Resize, Transform};

use super::super::ImportError;

/// What bytes are made into: scale, mean, standard deviation.
type Numbers = (f32, Vec<f32>, Vec<f32>);

const BYTE: f32 = 1.0 / 255.0;

/// A search for the transform with the smallest distance.
pub(super) struct Search<F> {
    /// When it has to end.
    pub(super) until: Instant,
    /// Whether pictures have other sizes than the network's input.
    pub(super) resizes: bool,
    /// The distance.
    pub(super) off: F,
}

impl<F: FnMut(&Transform) -> Result<f64, ImportError>> Search<F> {
    /// The closest transform: numbers and colours first, then how the size is reached, then the numbers once more; from the
    /// declared way of resizing and, if that leads to nothing, from each of the others. Of two that are equally close, the
    /// one with fewer changes.
    pub(super) fn best(&mut self, declared: &Transform) -> Result<(Transform, f64), ImportError> {
        let mut best = self.best_from(declared)?;
        for resize in [Resize::Stretch, Resize::Crop, Resize::FitPad] {
            if !self.resizes || best.1 <= super::SAME {
                break;
            }
            let start = Transform {
                resize,
                resize_to: None,
                ..declared.clone()
            };
            if resize != declared.resize {
                let other = self.best_from(&start)?;
                if other.1 < best.1 {
                    best = other;
                }
            }
        }
        Ok(best)
    }

    fn best_from(&mut self, start: &Transform) -> Result<(Transform, f64), ImportError> {
        let mut best = (start.clone(), (self.off)(start)?);
        self.improve(&mut best, numbers_and_colors)?;
        if self.resizes {
            self.improve(&mut best, sizes)?;
            self.improve(&mut best, numbers_and_colors)?;
        }
        Ok(best)
    }

    fn improve(
        &mut self,
        best: &mut (Transform, f64),
        alternatives: fn(&Transform) -> Vec<Transform>,
    ) -> Result<(), ImportError> {
        for transform in alternatives(&best.0) {
            if Instant::now() >= self.until {
                return Ok(());
            }
            let off = (self.off)(&transform)?;
            if off < 0.99 * best.1 - 1e-9 {
                *best = (transform, off);
            }
        }
        Ok(())
    }
}

fn numbers_and_colors(from: &Transform) -> Vec<Transform> {
    let colors = match from.color {
        Color::Gray => vec![Color::Gray],
        Color::Rgb => vec![Color::Rgb, Color::Bgr],
        Color::Bgr => vec![Color::Bgr, Color::Rgb],
    };
    let mut found: Vec<Transform> = Vec::new();
    for color in colors {
        for (scale, mean, std) in numbers(from, color) {
            let transform = Transform {
                color,
                scale,
                mean,
                std,
                ..from.clone()
            };
            if transform != *from && !found.contains(&transform) && transform.validate().is_ok() {
                found.push(transform);
            }
        }
    }
    found
}

/// The numbers that were given and mistakes with them, then those of well-known collections, in the network's channel order.
fn numbers(from: &Transform, color: Color) -> Vec<Numbers> {
    let (scale, mean, std) = (from.scale, from.mean.clone(), from.std.clone());
    let times = |factor: f32, numbers: &[f32]| -> Vec<f32> {
        numbers.iter().map(|number| number * factor).collect()
    };
    let reversed = |numbers: &[f32]| -> Vec<f32> { numbers.iter().rev().copied().collect() };
    let one = |number: f32| vec![number];
    let mut all: Vec<Numbers> = vec![
        (scale, mean.clone(), std.clone()),
        // Means that belong to bytes, and bytes that were scaled although they belong to none.
        (1.0, mean.clone(), std.clone()),
        (BYTE, mean.clone(), std.clone()),
        (scale, times(BYTE, &mean), times(BYTE, &std)),
        (BYTE, times(BYTE, &mean), std.clone()),
        (scale, one(0.0), std.clone()),
        (scale, mean.clone(), one(1.0)),
        (scale, reversed(&mean), reversed(&std)),
        // Variances for deviations.
        (
            scale,
            mean.clone(),
            std.iter().map(|std| std * std).collect(),
        ),
        (
            scale,
            mean,
            std.iter().map(|std| std.abs().sqrt()).collect(),
        ),
        (BYTE, one(0.0), one(1.0)),
        (1.0, one(0.0), one(1.0)),
        (BYTE, one(0.5), one(0.5)),
        (BYTE, one(0.5), one(1.0)),
        // White and black exchanged, as between MNIST and ink on paper.
        (-BYTE, one(-1.0), one(1.0)),
    ];
    let known: &[(f32, &[f32], &[f32])] = match color {
        Color::Gray => &[
            // MNIST, Fashion-MNIST, ImageNet in gray.
            (BYTE, &[0.1307], &[0.3081]),
            (BYTE, &[0.286], &[0.353]),
            (BYTE, &[0.449], &[0.226]),
        ],
        Color::Rgb | Color::Bgr => &[
            // ImageNet; the same in bytes, as Caffe has it; CIFAR-10 twice; CIFAR-100; CLIP; Inception's by channel.
            (BYTE, &[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]),
            (1.0, &[123.675, 116.28, 103.53], &[58.395, 57.12, 57.375]),
            (1.0, &[123.68, 116.779, 103.939], &[1.0]),
            (BYTE, &[0.4914, 0.4822, 0.4465], &[0.247, 0.2435, 0.2616]),
            (BYTE, &[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.201]),
            (BYTE, &[0.5071, 0.4867, 0.4408], &[0.2675, 0.2565, 0.2761]),
            (
                BYTE,
                &[0.481_454_66, 0.457_827_5, 0.408_210_73],
                &[0.268_629_54, 0.261_302_58, 0.275_777_1],
            ),
        ],
    };
    for (scale, mean, std) in known {
        let ordered = |numbers: &[f32]| match color {
            Color::Bgr => reversed(numbers),
            _ => numbers.to_vec(),
        };
        all.push((*scale, ordered(mean), ordered(std)));
    }
    all
}

fn sizes(from: &Transform) -> Vec<Transform> {
    let side = from.width.max(from.height);
    let ways = [
        (from.resize, from.resize_to),
        (Resize::Stretch, None),
        (Resize::Crop, None),
        (Resize::Crop, Some(side)),
        (Resize::Crop, Some(side + 32)),
        (Resize::FitPad, None),
    ];
    let filters = [
        from.filter,
        Filter::Bilinear,
        Filter::Bicubic,
        Filter::Nearest,
        Filter::Box,
        Filter::Lanczos3,
    ];
    let mut found: Vec<Transform> = Vec::new();
    for (resize, resize_to) in ways {
        for filter in filters {
            let transform = Transform {
                resize,
                resize_to,
                filter,
                ..from.clone()
            };
            if transform != *from && !found.contains(&transform) && transform.validate().is_ok() {
                found.push(transform);
            }
        }
    }
    found
}
