//! Anytime-valid tests (e-processes): they stay valid however often they are evaluated. Pure, streaming, no allocation.
//!
//! An e-process is the wealth of a bettor who starts with 1 and bets against the null hypothesis. Where the null holds, no
//! strategy gains on average: the probability that the wealth *ever* reaches 1/α is at most α (Ville's inequality), so the
//! test may be evaluated after every observation. The best stake isn't known beforehand, so the initial wealth is divided
//! over eight stakes and the wealth is their mean. See Waudby-Smith & Ramdas, "Estimating means of bounded random variables by betting" (2024).
//!
//! Each replica keeps the logarithm of its wealth by stake; [`fleet_log_e`] and a Prometheus rule add them up alike. A replica
//! that loses its evidence must report that: wealth that starts again at 1 has forgotten its losses, too.

mod bounds;
mod class_guard;
mod detector;
mod difference;
mod event_rates;
mod logarithm;
mod margin;
mod paired;
mod promotion;
mod roll_back;

#[cfg(test)]
mod figures;
#[cfg(test)]
mod priced;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod streams;

pub use bounds::Bounds;
pub use class_guard::{ClassGuard, ClassPairs, ClassSeen, OWN_CLASSES};
pub use detector::{Detector, upper_limit};
pub use difference::{disagreement, divergence};
pub use event_rates::{EventRates, Rate};
pub use logarithm::{ln_add_exp, ln_mean_exp};
pub use paired::{Compared, Paired, Thresholds};
pub use promotion::Promotion;
pub use roll_back::RollBack;

/// Number of stakes over which the initial wealth is divided.
pub const STAKES: usize = 8;

/// The stakes, as fractions of what may be lost at once: the smallest finds a difference of two per cent of the range, the
/// largest ends a canary that is wrong every time within ten answers.
pub const STAKE_FRACTIONS: [f64; STAKES] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.95];

/// ln of a fleet's e-value from each replica's log-wealth by stake: the stakes' sums, then the mean over the stakes.
///
/// Replicas see different requests, so what one wins multiplies what the others win. Without restarts this is exactly what
/// one server would have that saw everything.
pub fn fleet_log_e(replicas: impl IntoIterator<Item = [f64; STAKES]>) -> f64 {
    let mut sums = [0.0; STAKES];
    for log_wealth in replicas {
        for (sum, wealth) in sums.iter_mut().zip(log_wealth) {
            *sum += wealth;
        }
    }
    ln_mean_exp(&sums)
}

/// A value within its range; what isn't a number counts as the worst, `highest`.
fn bounded(value: f64, lowest: f64, highest: f64) -> f64 {
    if value.is_nan() {
        return highest;
    }
    value.clamp(lowest, highest)
}
