//! Mean and standard deviation, fitted where none of the usual ones explains the outputs: a pattern search, which steps along
//! one number at a time, by less and less.

use std::time::Instant;

use stillhouse_image::Transform;

use super::{super::ImportError, alternatives::Search};

/// It ends when steps are this small, in units of a standard deviation.
const SMALLEST_STEP: f64 = 1e-4;

/// The numbers near `from`, whose distance is `off`, that explain the outputs best, rounded as people write them.
pub(super) fn fit<F: FnMut(&Transform) -> Result<f64, ImportError>>(
    search: &mut Search<F>,
    from: &Transform,
    off: f64,
) -> Result<(Transform, f64), ImportError> {
    let channels = from.color.channels();
    let of = |numbers: &[f32]| -> Vec<f64> {
        let number = |channel: usize| f64::from(numbers[channel.min(numbers.len() - 1)]);
        (0..channels).map(number).collect()
    };
    // In units of the scaled pixels; deviations as logarithms, so that each step is a factor.
    let mut point: Vec<f64> = of(&from.mean);
    point.extend(of(&from.std).iter().map(|std| std.abs().ln()));
    let white = f64::from(from.scale.abs()) * 255.0;
    let transform = |point: &[f64], round: bool| {
        let digits = |value: f64| match round {
            true => (value / white * 1e4).round() / 1e4 * white,
            false => value,
        };
        let (mean, std) = point.split_at(channels);
        Transform {
            mean: mean.iter().map(|mean| digits(*mean) as f32).collect(),
            std: std.iter().map(|std| digits(std.exp()) as f32).collect(),
            ..from.clone()
        }
    };
    let (mut off, mut step) = (off, 0.25);
    while step > SMALLEST_STEP {
        let before = off;
        for axis in 0..point.len() {
            let unit = if axis < channels { white } else { 1.0 };
            for direction in [step * unit, -step * unit] {
                let mut next = point.clone();
                next[axis] += direction;
                if Instant::now() >= search.until {
                    return Ok((from.clone(), f64::INFINITY));
                }
                let next_off = (search.off)(&transform(&next, false))?;
                if next_off < off {
                    (point, off) = (next, next_off);
                    break;
                }
            }
        }
        if off >= before * 0.999 {
            step /= 2.0;
        }
    }
    let rounded = transform(&point, true);
    if rounded.validate().is_err() {
        return Ok((from.clone(), f64::INFINITY));
    }
    let off = (search.off)(&rounded)?;
    Ok((rounded, off))
}
