//! The search space: lists of values, or ranges to draw from.

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::str::FromStr;

/// One key and the values it may take.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    key: String,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    List(Vec<String>),
    Linear(f64, f64),
    Logarithmic(f64, f64),
}

impl FromStr for Axis {
    type Err = anyhow::Error;

    /// `key=a;b;c`, `key=lin:LOW..HIGH` or `key=log:LOW..HIGH`.
    fn from_str(text: &str) -> Result<Self> {
        let (key, values) = text
            .split_once('=')
            .context("write key=a;b;c, key=lin:0..1 or key=log:1e-4..1e-1")?;
        let range = |text: &str| -> Result<(f64, f64)> {
            let (low, high) = text.split_once("..").context("a range is LOW..HIGH")?;
            let (low, high): (f64, f64) = (low.parse()?, high.parse()?);
            ensure!(
                low < high,
                "a range goes from low to high, not {low}..{high}"
            );
            Ok((low, high))
        };
        let values = if let Some(text) = values.strip_prefix("lin:") {
            let (low, high) = range(text)?;
            Values::Linear(low, high)
        } else if let Some(text) = values.strip_prefix("log:") {
            let (low, high) = range(text)?;
            ensure!(low > 0.0, "a logarithmic range begins above 0");
            Values::Logarithmic(low, high)
        } else {
            Values::List(values.split(';').map(str::to_owned).collect())
        };
        Ok(Self {
            key: key.to_owned(),
            values,
        })
    }
}

/// Every combination.
///
/// # Errors
/// A range, which can't be enumerated.
pub fn grid(axes: &[Axis]) -> Result<Vec<Vec<String>>> {
    let mut all = vec![Vec::new()];
    for axis in axes {
        let Values::List(values) = &axis.values else {
            bail!(
                "`{}` is a range: draw from it with --random COUNT, or list values",
                axis.key
            );
        };
        all = all
            .into_iter()
            .flat_map(|settings: Vec<String>| {
                values.iter().map(move |value| {
                    [settings.as_slice(), &[format!("{}={value}", axis.key)]].concat()
                })
            })
            .collect();
    }
    Ok(all)
}

/// `count` independent draws.
pub fn draws(axes: &[Axis], count: usize, seed: u64) -> Vec<Vec<String>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut draw = |axis: &Axis| {
        let value = match &axis.values {
            Values::List(values) => values[rng.random_range(0..values.len())].clone(),
            Values::Linear(low, high) => format!("{:?}", rng.random_range(*low..*high)),
            Values::Logarithmic(low, high) => {
                format!("{:?}", rng.random_range(low.ln()..high.ln()).exp())
            }
        };
        format!("{}={value}", axis.key)
    };
    (0..count)
        .map(|_| axes.iter().map(&mut draw).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_grid_is_every_combination() {
        let all = grid(&axes(&["a=1;2", "b=[3,4];[5]"])).unwrap();
        let all: Vec<String> = all.iter().map(|settings| settings.join(" ")).collect();
        assert_eq!(
            all,
            ["a=1 b=[3,4]", "a=1 b=[5]", "a=2 b=[3,4]", "a=2 b=[5]"]
        );
        assert!(
            grid(&axes(&["a=lin:0..1"]))
                .unwrap_err()
                .to_string()
                .contains("--random")
        );
    }

    #[test]
    fn draws_lie_in_their_ranges_and_come_again_with_the_seed() {
        let axes = axes(&["a=log:0.001..0.1", "b=x;y"]);
        let all = draws(&axes, 200, 7);
        assert_eq!(all, draws(&axes, 200, 7));
        let values: Vec<f64> = all
            .iter()
            .map(|draw| draw[0][2..].parse().unwrap())
            .collect();
        assert!(values.iter().all(|value| (0.001..0.1).contains(value)));
        let small = values.iter().filter(|&&value| value < 0.01).count();
        assert!(
            (60..140).contains(&small),
            "half of a logarithmic range lies below its middle, not {small} of 200"
        );
    }

    #[test]
    fn what_is_no_axis_is_refused() {
        for wrong in ["a", "a=log:0..1", "a=lin:2..1", "a=lin:x..1", "a=log:3"] {
            assert!(wrong.parse::<Axis>().is_err(), "{wrong}");
        }
    }
}
