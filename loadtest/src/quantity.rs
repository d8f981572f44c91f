//! Durations and shares in text form: `20ms`, `1.5s`, `2m`; `5%`, `0.1%`.

use std::{fmt, str::FromStr, time::Duration};

use anyhow::{Context, ensure};
use serde::Deserialize;

/// A duration, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Time(pub Duration);

/// A share, written in percent; 1.0 is 100 %. May exceed 1.0 where it is a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Share(pub f64);

impl FromStr for Time {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_seconds = match &text[digits.len()..] {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => anyhow::bail!(
                "`{text}` has no unit that is known: write 250us, 20ms, 1.5s, 2m or 1h"
            ),
        };
        let number: f64 = digits
            .trim()
            .parse()
            .with_context(|| format!("`{digits}` in `{text}` is no number"))?;
        let seconds = Duration::try_from_secs_f64(number * unit_seconds);
        Ok(Self(seconds.with_context(|| {
            format!("`{text}` is no length of time")
        })?))
    }
}

impl FromStr for Share {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let number = text
            .strip_suffix('%')
            .with_context(|| format!("`{text}` is no share: write it in percent, as in 0.1%"))?;
        let percent: f64 = number
            .trim()
            .parse()
            .with_context(|| format!("`{number}` in `{text}` is no number"))?;
        ensure!(
            percent.is_finite() && percent >= 0.0,
            "`{text}` is no share: it is 0% or more"
        );
        Ok(Self(percent / 100.0))
    }
}

impl TryFrom<String> for Time {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl TryFrom<String> for Share {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded, or 0.07 would read 7.000000000000001 %.
        write!(f, "{} %", (self.0 * 1e8).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |text: &str, microseconds: u64| {
            let Time(read) = text.parse().expect(text);
            assert_eq!(read, Duration::from_micros(microseconds), "{text}");
        };
        check("250us", 250);
        check("20ms", 20_000);
        check("1.5s", 1_500_000);
        check("2m", 120_000_000);
        check("1h", 3_600_000_000);
        for wrong in ["20", "ms", "-1s", "1 fortnight", "NaNs", ""] {
            assert!(wrong.parse::<Time>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_are_read_and_written() {
        let check = |text: &str, share: f64, written: &str| {
            let read: Share = text.parse().expect(text);
            assert!((read.0 - share).abs() < 1e-12, "{text}");
            assert_eq!(read.to_string(), written);
        };
        check("5%", 0.05, "5 %");
        check("0.1%", 0.001, "0.1 %");
        check("7%", 0.07, "7 %");
        check("500%", 5.0, "500 %");
        for wrong in ["5", "-1%", "%", "infinity%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
