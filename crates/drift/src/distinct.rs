//! About how many different pictures there were, in half a kilobyte.

use serde::{Deserialize, Serialize};

/// Words of the bitmap: 4096 bits count to 10 000 with a standard error of 2 %.
const WORDS: usize = 64;

const BITS: u64 = WORDS as u64 * 64;

/// A bitmap of hashes: linear counting (Whang, Vander-Zanden & Taylor 1990).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub struct Distinct {
    words: [u64; WORDS],
}

impl Default for Distinct {
    fn default() -> Self {
        Self { words: [0; WORDS] }
    }
}

impl Distinct {
    /// Adds one by its hash, of which every bit must be as good as random.
    pub fn add(&mut self, hash: u64) {
        let bit = hash % BITS;
        self.words[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    /// How many different hashes were added: exact of a few, an estimate of many. Above about 30 000 it stays there.
    pub fn count(&self) -> u64 {
        let set: u32 = self.words.iter().map(|word| word.count_ones()).sum();
        let clear = (BITS - u64::from(set)).max(1) as f64;
        (BITS as f64 * (BITS as f64 / clear).ln()).round() as u64
    }
}

impl From<Distinct> for Vec<u64> {
    fn from(distinct: Distinct) -> Self {
        distinct.words.to_vec()
    }
}

impl TryFrom<Vec<u64>> for Distinct {
    type Error = &'static str;

    fn try_from(words: Vec<u64>) -> Result<Self, Self::Error> {
        let words = words.try_into().map_err(|_| "64 words belong here")?;
        Ok(Self { words })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The finaliser of SplitMix64.
    fn hash(n: u64) -> u64 {
        let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn it_counts_what_is_different() {
        for (different, times, allowed) in [
            (0, 1, 0.0),
            (1, 9, 0.0),
            (30, 200, 0.05),
            (1000, 3, 0.05),
            (10_000, 1, 0.06),
        ] {
            let mut distinct = Distinct::default();
            for n in 0..different * times {
                distinct.add(hash(n % different.max(1) + 1));
            }
            let (count, expected) = (distinct.count() as f64, different as f64);
            assert!(
                (count - expected).abs() <= allowed * expected,
                "{count} of {different}"
            );
        }
    }

    #[test]
    fn it_ends_and_is_kept() {
        let mut distinct = Distinct::default();
        (0..1_000_000).for_each(|n| distinct.add(hash(n)));
        assert_eq!(distinct.count(), 34_070);
        let text = serde_json::to_string(&distinct).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Distinct>(&text).expect("the same"),
            distinct
        );
        assert!(serde_json::from_str::<Distinct>("[1, 2]").is_err());
    }
}
