//! Is a student right as often as it says? Right is what its teacher says.

use serde::{Deserialize, Serialize};

/// Bins of equal width over the probabilities of the top class.
pub const BINS: usize = 10;

/// Three counters a bin: they only grow and add up over replicas, whatever is asked of them later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    bins: [Bin; BINS],
}

/// Answers whose top probability lay between two tenths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many.
    pub answers: u64,
    /// How many of them the teacher agreed with.
    pub agreements: u64,
    /// The sum of their top probabilities.
    pub probabilities: f64,
}

impl Calibration {
    /// One more answer; a probability that isn't a number is counted as certain.
    pub fn observe(&mut self, top1_probability: f64, agrees: bool) {
        let bin = &mut self.bins[Self::place(top1_probability)];
        bin.answers += 1;
        bin.agreements += u64::from(agrees);
        bin.probabilities += match top1_probability.is_nan() {
            true => 1.0,
            false => top1_probability.clamp(0.0, 1.0),
        };
    }

    /// Another replica's answers, too.
    pub fn add(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(&other.bins) {
            bin.answers += more.answers;
            bin.agreements += more.agreements;
            bin.probabilities += more.probabilities;
        }
    }

    /// From counters that are kept elsewhere, from unsure to sure.
    pub fn from_bins(bins: [Bin; BINS]) -> Self {
        Self { bins }
    }

    /// What was counted since an earlier reading of the same counters.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut between = self.clone();
        for (bin, then) in between.bins.iter_mut().zip(&earlier.bins) {
            bin.answers = bin.answers.saturating_sub(then.answers);
            bin.agreements = bin.agreements.saturating_sub(then.agreements);
            bin.probabilities -= then.probabilities;
        }
        between
    }

    /// The bin of a top probability; what isn't a number counts as certain.
    pub fn place(top1_probability: f64) -> usize {
        let probability = match top1_probability.is_nan() {
            true => 1.0,
            false => top1_probability.clamp(0.0, 1.0),
        };
        ((probability * BINS as f64) as usize).min(BINS - 1)
    }

    /// The bins, from unsure to sure.
    pub fn bins(&self) -> &[Bin; BINS] {
        &self.bins
    }

    /// The expected calibration error: how far confidence and agreement are apart, weighted by answers. None of nothing.
    pub fn expected_error(&self) -> Option<f64> {
        let answers: u64 = self.bins.iter().map(|bin| bin.answers).sum();
        let gaps = self.bins.iter();
        let gaps = gaps.map(|bin| (bin.probabilities - bin.agreements as f64).abs());
        (answers > 0).then(|| gaps.sum::<f64>() / answers as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_answers() {
        let mut calibration = Calibration::default();
        assert_eq!(calibration.expected_error(), None);
        // Ten answers at 95 %, of which half are right; two at 50 %, of which one is.
        (0..10).for_each(|n| calibration.observe(0.95, n % 2 == 0));
        (0..2).for_each(|n| calibration.observe(0.5, n == 0));
        let error = calibration.expected_error().expect("answers");
        assert!((error - 4.5 / 12.0).abs() < 1e-12, "{error}");
        assert_eq!(calibration.bins()[9].answers, 10);
        assert_eq!(
            (
                calibration.bins()[5].answers,
                calibration.bins()[5].agreements
            ),
            (2, 1)
        );
        calibration.observe(1.0, true);
        calibration.observe(f64::NAN, false);
        assert_eq!(calibration.bins()[9].answers, 12);
    }

    proptest! {
        #[test]
        fn replicas_add_up(answers in prop::collection::vec((0.0..=1.0_f64, any::<bool>(), any::<bool>()), 1..200)) {
            let (mut one, mut replicas) = (Calibration::default(), [Calibration::default(), Calibration::default()]);
            for (probability, agrees, replica) in answers {
                one.observe(probability, agrees);
                replicas[usize::from(replica)].observe(probability, agrees);
            }
            let [mut fleet, other] = replicas;
            fleet.add(&other);
            let (fleet, one) = (fleet.expected_error().expect("answers"), one.expected_error().expect("answers"));
            prop_assert!((fleet - one).abs() < 1e-9 && (0.0..=1.0).contains(&one));
        }
    }
}
