//! Overrides from the caller, and the record of every decision.

use std::{fmt, str::FromStr};

use stillhouse_image::{Color, Filter, Layout, Resize};
use stillhouse_store::manifest::OutputKind;

/// Properties given by the caller, which take precedence over the graph; all others are decided by [`describe`](super::describe).
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Width and height in pixels; needed if the graph leaves them open, or its input is a flat row that isn't a square.
    pub size: Option<(u32, u32)>,
    /// The network's channel order.
    pub color: Option<Color>,
    /// Position of the channel dimension.
    pub layout: Option<Layout>,
    /// How pictures are resized.
    pub resize: Option<Resize>,
    /// With [`Resize::Crop`]: the length in pixels of the shorter side before the crop.
    pub resize_to: Option<u32>,
    /// With [`Resize::FitPad`]: the background.
    pub pad: Option<u8>,
    /// The resampling filter.
    pub filter: Option<Filter>,
    /// Factor that bytes are multiplied with first.
    pub scale: Option<f32>,
    /// Subtracted second.
    pub mean: Option<Vec<f32>>,
    /// Divided by last.
    pub std: Option<Vec<f32>>,
    /// The output with the scores, if the graph has several.
    pub output_name: Option<String>,
    /// Kind of the scores; checked against the network's outputs.
    pub output_kind: Option<OutputKind>,
    /// Of independent scores: the probability from which a label applies, one for all classes or one a class.
    pub thresholds: Option<Vec<f32>>,
    /// Whether the network is to be run one row at a time, whatever its graph takes.
    pub one_row_at_a_time: bool,
    /// One-line description.
    pub description: String,
}

/// The origin of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller.
    Given,
    /// The graph.
    Graph,
    /// Observed in the network's outputs.
    Observed,
    /// A common default, which should be reviewed.
    Default,
}

impl Origin {
    /// [`Origin::Given`] if there is a value.
    pub(super) fn given_or<T>(given: &Option<T>, otherwise: Self) -> Self {
        if given.is_some() {
            Self::Given
        } else {
            otherwise
        }
    }
}

/// One decision; displayed as `transform.scale = 1/255 (default)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The manifest's key.
    pub key: &'static str,
    /// The decided value.
    pub value: String,
    /// Its origin.
    pub origin: Origin,
}

impl Choice {
    pub(super) fn new(key: &'static str, value: impl Into<String>, origin: Origin) -> Self {
        Self {
            key,
            value: value.into(),
            origin,
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            Origin::Given => "given",
            Origin::Graph => "graph",
            Origin::Observed => "observed",
            Origin::Default => "default",
        };
        write!(f, "{} = {} ({origin})", self.key, self.value)
    }
}

/// Reads `224x224`, width first.
///
/// # Errors
/// Invalid text; the message shows the valid form.
pub fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once(['x', 'X', '×']);
    let sides = sides.and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    sides.ok_or_else(|| format!("`{text}` is no size: write WIDTHxHEIGHT in pixels, e.g. 224x224"))
}

/// Reads `0.5`, `1/255` or a comma-separated list of such numbers.
///
/// # Errors
/// Invalid text; the message shows the valid form.
pub fn numbers(text: &str) -> Result<Vec<f32>, String> {
    text.split(',').map(|part| number(part.trim())).collect()
}

/// Reads `0.5` or `1/255`.
///
/// # Errors
/// Invalid text; the message shows the valid form.
pub fn number(text: &str) -> Result<f32, String> {
    let float = |text: &str| f64::from_str(text).ok();
    let value = match text.split_once('/') {
        Some((above, below)) => float(above).zip(float(below)).map(|(a, b)| a / b),
        None => float(text),
    };
    let value = value
        .map(|value| value as f32)
        .filter(|value| value.is_finite());
    value.ok_or_else(|| format!("`{text}` is no number: write e.g. 0.5 or 1/255"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_read_as_people_write_them() {
        assert_eq!(size("224x196"), Ok((224, 196)));
        for bad in [
            "",
            "224",
            "x",
            "224x",
            "-1x2",
            "1x2x3",
            "224 x 224",
            "99999999999x1",
        ] {
            assert!(size(bad).unwrap_err().contains("is no size"), "{bad}");
        }
        assert_eq!(numbers("1/255"), Ok(vec![1.0 / 255.0]));
        assert_eq!(numbers("0.485, 0.456,.406"), Ok(vec![0.485, 0.456, 0.406]));
        for bad in ["", "a", "1,", "1/0", "1e39", "nan", "inf", "1/2/3"] {
            assert!(numbers(bad).unwrap_err().contains("is no number"), "{bad}");
        }
    }
}
