//! Shares in the configuration, where people write them: with a unit. For `#[serde(with = "written")]`; [`list`] is for
//! several, [`optional`] for one that may be missing.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

use super::Share;

/// Writes `10%`.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(share: &Share, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(share)
}

/// Reads `"10%"`, `"0.1"` or `0.1`.
///
/// # Errors
/// A number without a unit, and what is no share at all.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
    deserializer.deserialize_any(WithUnit)
}

struct WithUnit;

impl Visitor<'_> for WithUnit {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share such as \"10%\" or 0.1")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Share, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, fraction: f64) -> Result<Share, E> {
        Share::of_fraction(fraction).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Share, E> {
        self.visit_f64(number as f64)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Share, E> {
        self.visit_f64(number as f64)
    }
}

#[derive(Serialize, Deserialize)]
struct One(#[serde(with = "self")] Share);

/// Several, one after the other.
pub mod list {
    use super::{Deserialize, Deserializer, One, Serializer, Share};

    /// Writes `["0%", "10%"]`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(shares: &[Share], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(shares.iter().map(|share| One(*share)))
    }

    /// Reads a list of shares.
    ///
    /// # Errors
    /// One of them is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Share>, D::Error> {
        let shares = Vec::<One>::deserialize(deserializer)?;
        Ok(shares.into_iter().map(|One(share)| share).collect())
    }
}

/// One that may be missing; its field needs `#[serde(default)]`.
pub mod optional {
    use super::{Deserialize, Deserializer, One, Serialize, Serializer, Share};

    /// Writes `10%`, or nothing.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(
        share: &Option<Share>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        share.map(One).serialize(serializer)
    }

    /// Reads a share.
    ///
    /// # Errors
    /// It is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Share>, D::Error> {
        Ok(Option::<One>::deserialize(deserializer)?.map(|One(share)| share))
    }
}
