//! One answer as a distribution over the classes, beside its logarithm: what a pair is measured with.
//!
//! The buffers are kept from pair to pair, and each exponential is taken once: with 1000 classes they are what a pair costs.

/// Probabilities and their logarithms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    log_p: Vec<f64>,
    p: Vec<f64>,
}

impl Distribution {
    /// Becomes `softmax(z / temperature)`. The largest is subtracted first, so nothing overflows; `temperature` must be
    /// above 0 and logits finite.
    pub fn set_logits(&mut self, logits: &[f32], temperature: f64) {
        self.log_p.clear();
        self.log_p.extend(logits.iter().map(|z| f64::from(*z)));
        self.normalise(temperature);
    }

    /// The same for a network that ends in a softmax; none of its probabilities is taken for 0.
    pub fn set_probabilities(&mut self, probabilities: &[f32], temperature: f64) {
        self.log_p.clear();
        let positive = probabilities.iter().map(|p| p.max(f32::MIN_POSITIVE));
        self.log_p.extend(positive.map(|p| f64::from(p).ln()));
        self.normalise(temperature);
    }

    /// Takes `log_p` for logits.
    fn normalise(&mut self, temperature: f64) {
        let largest = self.log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let per_temperature = 1.0 / temperature;
        self.p.clear();
        self.p.extend(self.log_p.iter_mut().map(|z| {
            *z = (*z - largest) * per_temperature;
            z.exp()
        }));
        let sum: f64 = self.p.iter().sum();
        let (log_sum, share) = (sum.ln(), 1.0 / sum);
        self.log_p.iter_mut().for_each(|z| *z -= log_sum);
        self.p.iter_mut().for_each(|p| *p *= share);
    }

    /// Probabilities, by class.
    pub fn p(&self) -> &[f64] {
        &self.p
    }

    /// Their logarithms.
    pub fn log_p(&self) -> &[f64] {
        &self.log_p
    }

    /// `KL(self‖other)`, never negative; `T² KL_T` is it times T² where both were set at the temperature T. That compares
    /// over temperatures, and for large T tends to `Σ(Δz)²/2K` with centred logits.
    ///
    /// # Panics
    /// If the other one has another number of classes.
    pub fn kl_nats(&self, other: &Self) -> f64 {
        // Rounding can leave a sum a little below zero.
        self.terms(other).sum::<f64>().max(0.0)
    }

    /// Which classes the divergence comes from: `p ln(p/q) − p + q`, never negative, with KL as their sum.
    ///
    /// Terms `p ln(p/q)` alone would be negative where the student's probability is too large, and useless as counters.
    ///
    /// # Panics
    /// If the other one has another number of classes.
    pub fn contributions_nats<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = f64> + 'a {
        let both = self.p.iter().zip(&other.p);
        let terms = self.terms(other).zip(both);
        terms.map(|(term, (p, q))| (term - p + q).max(0.0))
    }

    /// `p ln(p/q)`; 0 where p is 0.
    fn terms<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = f64> + 'a {
        assert_eq!(
            self.p.len(),
            other.p.len(),
            "two distributions over the same classes"
        );
        let logs = self.log_p.iter().zip(&other.log_p);
        let pairs = self.p.iter().zip(logs);
        pairs.map(|(p, (lp, lq))| if *p > 0.0 { p * (lp - lq) } else { 0.0 })
    }

    /// `−Σ p ln p`: 0 for a certain answer, ln K for a guess.
    pub fn entropy_nats(&self) -> f64 {
        let pairs = self.p.iter().zip(&self.log_p);
        let terms = pairs.map(|(p, lp)| if *p > 0.0 { -p * lp } else { 0.0 });
        terms.sum::<f64>().max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::divergence::{kl_nats, log_softmax},
        *,
    };

    fn near(a: f64, b: f64, allowed: f64) {
        assert!((a - b).abs() <= allowed, "{a} is not {b}");
    }

    fn of(logits: &[f32], temperature: f64) -> Distribution {
        let mut distribution = Distribution::default();
        distribution.set_logits(logits, temperature);
        distribution
    }

    fn given(probabilities: &[f32]) -> Distribution {
        let mut distribution = Distribution::default();
        distribution.set_probabilities(probabilities, 1.0);
        distribution
    }

    #[test]
    fn contributions_of_known_distributions() {
        let (p, q) = (given(&[0.5, 0.5]), given(&[0.25, 0.75]));
        let parts: Vec<f64> = p.contributions_nats(&q).collect();
        near(parts[0], 0.5 * 2_f64.ln() - 0.25, 1e-15);
        near(parts[1], 0.5 * (2.0_f64 / 3.0).ln() + 0.25, 1e-15);
        // What the teacher rules out contributes what the student gives it.
        let (certain, torn) = (of(&[0.0, -2000.0], 1.0), given(&[0.5, 0.5]));
        let parts: Vec<f64> = certain.contributions_nats(&torn).collect();
        near(parts[1], 0.5, 1e-15);
        near(parts[0] + parts[1], 2_f64.ln(), 1e-15);
        near(certain.kl_nats(&torn), 2_f64.ln(), 1e-15);
        assert!(torn.kl_nats(&certain) > 900.0);
    }

    #[test]
    fn entropy_of_certainty_and_of_a_guess() {
        assert_eq!(of(&[0.0, -2000.0], 1.0).entropy_nats(), 0.0);
        near(of(&[1.0; 8], 1.0).entropy_nats(), 8_f64.ln(), 1e-12);
        near(
            given(&[0.25, 0.75]).entropy_nats(),
            0.562_335_144_618_808_3,
            1e-15,
        );
    }

    /// For large T, T²·KL_T tends to Σ(Δz)²/2K with centred logits (Hinton 2015 §2.1).
    #[test]
    fn high_temperature_matches_logits() {
        let (teacher, student) = ([1.0, -2.0, 1.0], [0.5, 0.5, -1.0]);
        let kl = of(&teacher, 1e4).kl_nats(&of(&student, 1e4)) * 1e8;
        near(kl, (0.25 + 6.25 + 4.0) / 6.0, 1e-3);
    }

    #[test]
    fn probabilities_at_a_temperature_are_their_logits() {
        let logits = [1.0_f32, -2.0, 0.5];
        let p: Vec<f32> = of(&logits, 1.0).p().iter().map(|p| *p as f32).collect();
        for temperature in [1.0, 4.0] {
            let mut given = Distribution::default();
            given.set_probabilities(&p, temperature);
            for (a, b) in given.p().iter().zip(of(&logits, temperature).p()) {
                near(*a, *b, 1e-6);
            }
        }
        assert!(given(&[0.5, 0.5]).kl_nats(&given(&[1.0, 0.0])).is_finite());
    }

    #[test]
    fn its_memory_is_taken_once() {
        let mut distribution = of(&[0.0; 10], 1.0);
        let before = (distribution.p.as_ptr(), distribution.log_p.as_ptr());
        for n in 0..100 {
            distribution.set_logits(&[n as f32; 10], 1.0);
            distribution.set_probabilities(&[0.1; 10], 2.0);
        }
        assert_eq!(
            before,
            (distribution.p.as_ptr(), distribution.log_p.as_ptr())
        );
    }

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-50.0..50.0_f32, 2..20)
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_functions(z in logits(), other in logits(), temperature in 0.5..20.0_f64) {
            let k = z.len().min(other.len());
            let (p, q) = (log_softmax(&z[..k], temperature), log_softmax(&other[..k], temperature));
            near(of(&z[..k], temperature).kl_nats(&of(&other[..k], temperature)), kl_nats(&p, &q), 1e-9);
        }

        #[test]
        fn contributions_sum_to_the_divergence(z in logits(), other in logits(), temperature in 0.5..20.0_f64) {
            let k = z.len().min(other.len());
            let (p, q) = (of(&z[..k], temperature), of(&other[..k], temperature));
            let parts: Vec<f64> = p.contributions_nats(&q).collect();
            prop_assert!(parts.iter().all(|part| *part >= 0.0));
            near(parts.iter().sum(), p.kl_nats(&q), 1e-9);
            prop_assert!(p.kl_nats(&q) >= 0.0 && p.kl_nats(&p) == 0.0);
        }

        #[test]
        fn a_constant_added_to_the_logits_changes_nothing(z in logits(), other in logits(), shift in -64i8..64) {
            let k = z.len().min(other.len());
            // On a grid on which f32 adds without rounding.
            let grid = |z: &[f32]| z[..k].iter().map(|z| (z * 1024.0).round() / 1024.0).collect::<Vec<f32>>();
            let (z, other) = (grid(&z), grid(&other));
            let moved: Vec<f32> = other.iter().map(|z| z + f32::from(shift)).collect();
            let (p, q, m) = (of(&z, 2.0), of(&other, 2.0), of(&moved, 2.0));
            near(p.kl_nats(&q), p.kl_nats(&m), 1e-9);
            near(q.entropy_nats(), m.entropy_nats(), 1e-9);
        }

        #[test]
        fn entropy_is_between_nothing_and_ln_k(z in logits()) {
            let entropy = of(&z, 1.0).entropy_nats();
            prop_assert!((0.0..=(z.len() as f64).ln() + 1e-9).contains(&entropy));
        }
    }
}
