//! Drawn answers with known faults, the same in every run: for figures of the tests, and for how long a decision will take.

/// The part of stable's mistakes that a canary makes, too: hard pictures are hard for both.
const SHARED: f64 = 0.6;

/// SplitMix64 from a fixed seed.
#[derive(Clone, Debug)]
pub struct Stream(u64);

impl Stream {
    /// The same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5717_1105_e000_0001)
    }

    /// From 0, which it may be, to 1, which it never is.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 2f64.powi(53)
    }

    /// Whether something of this probability does.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A Poisson variable with this mean: Knuth's product of uniforms (The Art of Computer Programming 2, 3.4.1).
    pub fn poisson(&mut self, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// A standard normal variable (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Stable's and canary's divergence from the teacher on one picture, with these means: lognormal with σ = 2.1, a tail so
    /// heavy that a few answers make the mean, and nine tenths of the variance in how hard the picture is.
    pub fn divergences(&mut self, stable_mean: f64, canary_mean: f64) -> (f64, f64) {
        const SIGMA: f64 = 2.1;
        let hard = 0.9_f64.sqrt() * self.normal();
        let mut of = |mean: f64| {
            let z = hard + 0.1_f64.sqrt() * self.normal();
            mean * (SIGMA * z - SIGMA * SIGMA / 2.0).exp()
        };
        (of(stable_mean), of(canary_mean))
    }

    /// Canary's disagreement less stable's, of versions that disagree with the teacher with these probabilities; six tenths of
    /// stable's mistakes are the canary's, too.
    pub fn disagreements(&mut self, stable: f64, canary: f64) -> f64 {
        self.sharing(SHARED, stable, canary)
    }

    /// The same where stable agrees with the teacher in 98 % of the pairs.
    pub fn difference(&mut self, agreement: f64) -> f64 {
        self.disagreements(0.02, 1.0 - agreement)
    }

    /// The same of two networks whose mistakes have nothing to do with each other: a third more to see through.
    pub fn unrelated_difference(&mut self, agreement: f64) -> f64 {
        self.sharing(1.0 - agreement, 0.02, 1.0 - agreement)
    }

    fn sharing(&mut self, shared: f64, stable: f64, canary: f64) -> f64 {
        let stable_is_wrong = self.happens(stable);
        let canary_is_wrong = self.happens(match stable_is_wrong {
            true => shared,
            false => (canary - stable * shared) / (1.0 - stable),
        });
        f64::from(canary_is_wrong) - f64::from(stable_is_wrong)
    }
}
