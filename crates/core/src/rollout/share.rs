//! A part of the live requests. What a person types has a unit; a bare number may mean three things and is refused.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub mod written;

/// A part of the live requests in basis points: 10 000 is all of them.
///
/// As text (flags, the environment, the configuration) it is a percentage with its sign, `10%`, or a fraction that begins
/// with `0.`, such as `0.1`. In the JSON of the admin API and of the journal it is a whole number of basis points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Json", into = "u16")]
pub struct Share(u16);

/// Not a share.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ShareError {
    /// A number that may be percent, a fraction or basis points.
    #[error("`{number}` has no unit: say {proposal}")]
    NoUnit {
        /// As written.
        number: f64,
        /// What it probably means, with a unit.
        proposal: String,
    },
    /// Anything else.
    #[error(
        "`{0}` is not a share: write percent with the sign, from 0% to 100%, or a fraction such as 0.1; \
         the smallest step is 0.01%"
    )]
    Other(String),
}

impl ShareError {
    fn other(text: &str) -> Self {
        let short = text.chars().take(32).flat_map(char::escape_default);
        Self::Other(short.collect())
    }
}

impl Share {
    /// Every request.
    pub const ALL: Self = Self(10_000);

    /// `None` above 10 000.
    pub fn new(basis_points: u16) -> Option<Self> {
        (basis_points <= Self::ALL.0).then_some(Self(basis_points))
    }

    /// From 0 to 10 000.
    pub fn basis_points(self) -> u16 {
        self.0
    }

    /// From 0 to 1, for metrics.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ALL.0)
    }

    /// What remains of it without the other; not below 0.
    pub(super) fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// How many of the 2⁶⁴ draws fall into this share.
    pub(super) fn width(self) -> u128 {
        (u128::from(self.0) << 64) / u128::from(Self::ALL.0)
    }

    /// `None` if it isn't a whole number of basis points from 0 to 10 000.
    fn of_points(points: f64) -> Option<Self> {
        // A saturating conversion: a negative number or NaN must not become 0.
        let whole = (0.0..=1e4).contains(&points) && (points - points.round()).abs() <= 1e-6;
        whole.then(|| Self(points.round() as u16))
    }

    /// 0 means the same in every unit, and a number between 0 and 1 is a fraction.
    fn of_fraction(fraction: f64) -> Result<Self, ShareError> {
        if fraction == 0.0 || (0.0 < fraction && fraction < 1.0) {
            let share = Self::of_points(fraction * 1e4);
            return share.ok_or_else(|| ShareError::Other(fraction.to_string()));
        }
        Err(no_unit(fraction))
    }
}

/// The refusal of a bare number; it proposes what the number means in percent.
fn no_unit(number: f64) -> ShareError {
    if !(0.0..=100.0).contains(&number) {
        return ShareError::Other(number.to_string());
    }
    let proposal = match number < 100.0 {
        true => format!("{number}% or {}", number / 100.0),
        false => "100%".to_owned(),
    };
    ShareError::NoUnit { number, proposal }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 100.0)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let wrong = || ShareError::other(text);
        // `f64` reads more than people mean by a number: `inf`, `1e3`.
        let number = |text: &str| -> Result<f64, ShareError> {
            let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
            let number = text.trim().parse().map_err(|_| wrong())?;
            if plain { Ok(number) } else { Err(wrong()) }
        };
        match text.trim().strip_suffix('%') {
            Some(percent) => Self::of_points(number(percent.trim())? * 100.0).ok_or_else(wrong),
            None => Self::of_fraction(number(text.trim())?),
        }
    }
}

/// A share as it may be written in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Json {
    Points(i64),
    Text(String),
    /// Refused: beside basis points 0.1 would be read as less than one of them.
    Fraction(f64),
}

impl TryFrom<Json> for Share {
    type Error = ShareError;

    fn try_from(json: Json) -> Result<Self, ShareError> {
        match json {
            Json::Points(points) => u16::try_from(points)
                .ok()
                .and_then(Self::new)
                .ok_or_else(|| ShareError::Other(points.to_string())),
            Json::Text(text) => text.parse(),
            Json::Fraction(number) => Err(ShareError::Other(number.to_string())),
        }
    }
}

impl From<Share> for u16 {
    fn from(share: Share) -> u16 {
        share.0
    }
}

#[cfg(test)]
mod tests;
