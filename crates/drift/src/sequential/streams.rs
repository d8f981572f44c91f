//! Streams of answers with known faults, the same in every run.

/// SplitMix64 from a fixed seed.
#[derive(Clone)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5717_1105_e000_0001)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(53)
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Knuth's product of uniforms (The Art of Computer Programming 2, 3.4.1).
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Stable's and canary's divergence from the teacher on one picture, with these means: lognormal with σ = 2.1, a tail so
    /// heavy that a few answers make the mean, and nine tenths of the variance in how hard the picture is.
    pub(crate) fn divergences(&mut self, stable_mean: f64, canary_mean: f64) -> (f64, f64) {
        const SIGMA: f64 = 2.1;
        let hard = 0.9_f64.sqrt() * self.normal();
        let mut of = |mean: f64| {
            let z = hard + 0.1_f64.sqrt() * self.normal();
            mean * (SIGMA * z - SIGMA * SIGMA / 2.0).exp()
        };
        (of(stable_mean), of(canary_mean))
    }

    /// Canary's disagreement less stable's. Stable agrees with the teacher in 98 % of the pairs; six tenths of the pictures
    /// that it gets wrong the canary gets wrong, too, for hard pictures are hard for both.
    pub(crate) fn difference(&mut self, agreement: f64) -> f64 {
        self.sharing(0.6, agreement)
    }

    /// The same of two networks whose mistakes have nothing to do with each other: a third more to see through.
    pub(crate) fn unrelated_difference(&mut self, agreement: f64) -> f64 {
        self.sharing(1.0 - agreement, agreement)
    }

    fn sharing(&mut self, shared: f64, agreement: f64) -> f64 {
        let wrong = 0.02;
        let stable = self.happens(wrong);
        let canary = self.happens(match stable {
            true => shared,
            false => (1.0 - agreement - wrong * shared) / (1.0 - wrong),
        });
        f64::from(canary) - f64::from(stable)
    }
}

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
