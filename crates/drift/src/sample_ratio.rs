//! Do the roles get the shares they were promised? A test that may be looked at after every request.

use libm::lgamma;

/// How much the alternative trusts the promised shares: the larger, the slower it sees gross mistakes and the sooner fine ones.
const CONCENTRATION: f64 = 1000.0;

/// ln of the e-value against "each request draws its role with these shares": a Dirichlet mixture, centred on the shares,
/// over the multinomial. At most one in 1/α streams of honest draws ever exceeds ln(1/α). Roles with share 0 that got
/// requests are infinite evidence. Lindon & Malek 2022, equation (6), in closed form since it depends on the counts alone.
pub fn log_e_value(counts: &[u64], shares: &[f64]) -> f64 {
    let total = counts.iter().sum::<u64>() as f64;
    let mut log_e = lgamma(CONCENTRATION) - lgamma(CONCENTRATION + total);
    for (&count, &share) in counts.iter().zip(shares) {
        match (count, share) {
            (0, _) => {}
            (_, 0.0) => return f64::INFINITY,
            (count, share) => {
                let (count, prior) = (count as f64, CONCENTRATION * share);
                log_e += lgamma(prior + count) - lgamma(prior) - count * share.ln();
            }
        }
    }
    log_e
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers between 0 and 1 from a counter: the finaliser of SplitMix64.
    fn uniform(seed: u64) -> f64 {
        let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / 2f64.powi(64)
    }

    /// How many of `streams` streams of `length` draws exceed ln 1000 at any time; a canary that is promised `promised`
    /// gets `share`.
    fn alarms(promised: f64, share: f64, streams: u64, length: u64) -> usize {
        let alarm = |stream: &u64| {
            let mut counts = [0u64; 2];
            (0..length).any(|draw| {
                let canary = uniform((stream << 32) + draw + 1) < share;
                counts[usize::from(canary)] += 1;
                log_e_value(&counts, &[1.0 - promised, promised]) > 1000f64.ln()
            })
        };
        (0..streams).filter(alarm).count()
    }

    #[test]
    fn honest_draws_hardly_ever_alarm_however_often_one_looks() {
        assert!(alarms(0.1, 0.1, 200, 5_000) <= 2, "at most 0.1 % expected");
    }

    #[test]
    fn a_wrong_share_alarms() {
        assert_eq!(alarms(0.1, 0.2, 50, 5_000), 50);
        assert_eq!(alarms(0.5, 0.45, 20, 20_000), 20);
    }

    #[test]
    fn a_role_without_a_share_must_get_nothing() {
        assert_eq!(log_e_value(&[1, 10], &[0.0, 1.0]), f64::INFINITY);
        assert_eq!(log_e_value(&[0, 10], &[0.0, 1.0]), 0.0);
        assert_eq!(log_e_value(&[0, 0], &[0.5, 0.5]), 0.0);
    }

    proptest! {
        /// The mixture is a probability: over all counts of `n` draws, expectations under the null sum to 1.
        #[test]
        fn its_mean_is_one(n in 1u64..60, promised in 0.05f64..0.95) {
            let choose = |k: f64| lgamma(n as f64 + 1.0) - lgamma(k + 1.0) - lgamma(n as f64 - k + 1.0);
            let mean: f64 = (0..=n).map(|canary| {
                let k = canary as f64;
                let null = choose(k) + k * promised.ln() + (n as f64 - k) * (1.0 - promised).ln();
                (null + log_e_value(&[n - canary, canary], &[1.0 - promised, promised])).exp()
            }).sum();
            prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
        }
    }
}
