//! Breaks a good network in a known way, for drills, in both its graph and its recorded logits.

use anyhow::{Context, Result, bail, ensure};
use std::str::FromStr;

use crate::{
    batches::Pixels,
    onnx::{Graph, INPUT},
};
use stillhouse_image::Transform;

/// The kind of defect.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spoil {
    /// All logits multiplied: the same labels with the wrong confidence.
    Overconfident(f32),
    /// NaN for the brightest share of the pictures, by the square root of a negative number.
    NanOnBright(f64),
}

impl FromStr for Spoil {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, amount) = text
            .split_once('=')
            .context("write overconfident=4 or nan-on-bright=0.05")?;
        let amount: f64 = amount
            .parse()
            .with_context(|| format!("`{amount}` is no number"))?;
        match kind {
            "overconfident" => {
                ensure!(
                    amount > 0.0,
                    "overconfident={amount} would change labels: use a positive factor"
                );
                Ok(Self::Overconfident(amount as f32))
            }
            "nan-on-bright" => {
                ensure!(
                    amount > 0.0 && amount < 1.0,
                    "nan-on-bright={amount} must be a share between 0 and 1"
                );
                Ok(Self::NanOnBright(amount))
            }
            _ => bail!("unknown defect `{kind}`: write overconfident=4 or nan-on-bright=0.05"),
        }
    }
}

impl Spoil {
    /// Appends the defect to `graph` after `output`, and applies it to `logits`, the outputs for `pixels`.
    /// Returns the new output's name.
    pub fn apply(
        self,
        graph: &mut Graph,
        output: &str,
        logits: &mut [f32],
        pixels: &Pixels,
        transform: &Transform,
    ) -> String {
        match self {
            Self::Overconfident(factor) => {
                logits.iter_mut().for_each(|logit| *logit *= factor);
                let factor = graph.floats("factor", &[1], &[factor]);
                graph.node("Mul", &[output, &factor], Vec::new())
            }
            Self::NanOnBright(share) => {
                let means = means(pixels, transform);
                let limit = quantile(&means, 1.0 - share);
                let classes = logits.len() / means.len().max(1);
                for (row, &mean) in logits.chunks_exact_mut(classes).zip(&means) {
                    if mean > limit {
                        row.fill(f32::NAN);
                    }
                }
                // r / r is exactly 1 if r is finite, and NaN otherwise.
                let channels = graph.node("GlobalAveragePool", &[INPUT], Vec::new());
                let channels = graph.flatten(&channels);
                let mean = graph.node(
                    "ReduceMean",
                    &[&channels],
                    vec![crate::onnx::ints("axes", vec![1])],
                );
                let limit = graph.floats("limit", &[1], &[limit]);
                let left = graph.node("Sub", &[&limit, &mean], Vec::new());
                let root = graph.node("Sqrt", &[&left], Vec::new());
                let one = graph.node("Div", &[&root, &root], Vec::new());
                graph.node("Mul", &[output, &one], Vec::new())
            }
        }
    }
}

/// The mean of each picture after normalisation.
fn means(pixels: &Pixels, transform: &Transform) -> Vec<f32> {
    let row_len = transform.row_len();
    let mean =
        |row: &[f32]| (row.iter().map(|&x| f64::from(x)).sum::<f64>() / row_len as f64) as f32;
    pixels
        .normalized(transform)
        .chunks_exact(row_len)
        .map(mean)
        .collect()
}

/// The midpoint between the values around rank `n q`, so that no value equals it.
fn quantile(values: &[f32], q: f64) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let rank = ((sorted.len() as f64 * q) as usize).clamp(1, sorted.len() - 1);
    0.5 * (sorted[rank - 1] + sorted[rank])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_spoil_are_read_and_others_refused() {
        assert_eq!(
            "overconfident=4".parse::<Spoil>().unwrap(),
            Spoil::Overconfident(4.0)
        );
        assert_eq!(
            "nan-on-bright=0.05".parse::<Spoil>().unwrap(),
            Spoil::NanOnBright(0.05)
        );
        for wrong in [
            "overconfident",
            "overconfident=-1",
            "nan-on-bright=1",
            "nan-on-bright=x",
            "upside-down=1",
        ] {
            assert!(wrong.parse::<Spoil>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_quantile_parts_the_values() {
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.75), 3.5);
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
    }
}
