//! When tests end on streams of drawn answers.

pub(crate) use crate::simulation::Stream;

/// When `runs` streams ended: the first observation of up to `longest` at which `ends` says so.
pub(crate) struct Endings {
    sorted: Vec<u64>,
    runs: usize,
}

impl Endings {
    pub(crate) fn of<T>(
        runs: u64,
        longest: u64,
        new: impl Fn() -> T,
        mut ends: impl FnMut(&mut T, &mut Stream, u64) -> bool,
    ) -> Self {
        let endings = (0..runs).filter_map(|seed| {
            let (mut test, mut stream) = (new(), Stream::new(seed));
            (1..=longest).find(|n| ends(&mut test, &mut stream, *n))
        });
        Self::from(endings.collect(), runs)
    }

    /// From when they ended.
    pub(crate) fn from(mut endings: Vec<u64>, runs: u64) -> Self {
        endings.sort_unstable();
        Self {
            sorted: endings,
            runs: runs as usize,
        }
    }

    /// How many ended at all.
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Percent that ended.
    pub(crate) fn percent(&self) -> f64 {
        self.count() as f64 / self.runs as f64 * 100.0
    }

    /// When they ended on average; those that didn't count as not there.
    pub(crate) fn mean(&self) -> f64 {
        self.sorted.iter().sum::<u64>() as f64 / self.count() as f64
    }

    /// The observation by which that part of all runs had ended; `u64::MAX` if fewer ever did.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
        let at = (part * self.runs as f64) as usize;
        self.sorted.get(at).copied().unwrap_or(u64::MAX)
    }
}

/// Fails unless `found` is within that part of what is expected, and reports both.
pub(crate) fn assert_near(what: &str, found: f64, expected: f64, part: f64) {
    println!("{what}: {found}, expected {expected}");
    let off = (found / expected - 1.0).abs();
    assert!(
        off <= part,
        "{what}: {found} is not within {part} of {expected}"
    );
}
