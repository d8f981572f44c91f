//! Distances between a teacher's and a student's answer to the same picture. Pure, in f64, natural logarithms (nats).

/// Above this a single divergence counts as this much, in nats: about ln K for K = 10, and what a network that answers
/// nothing finite is booked with.
pub const CLIP_NATS: f64 = 2.0;

/// `ln softmax(z / temperature)`; the largest is subtracted first, so nothing overflows.
///
/// `temperature` must be above 0. Finite logits give finite results.
pub fn log_softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let largest = logits
        .iter()
        .fold(f64::NEG_INFINITY, |largest, z| largest.max(f64::from(*z)));
    let shifted = logits
        .iter()
        .map(|z| (f64::from(*z) - largest) / temperature);
    let log_sum = shifted.clone().map(f64::exp).sum::<f64>().ln();
    shifted.map(|z| z - log_sum).collect()
}

/// Probabilities as logits: `ln max(p, f32::MIN_POSITIVE)`, for networks that end in a softmax.
pub fn logits_of(probabilities: &[f32]) -> Vec<f32> {
    probabilities
        .iter()
        .map(|p| f64::from(p.max(f32::MIN_POSITIVE)).ln() as f32)
        .collect()
}

/// `KL(p‖q) = Σ p_k (ln p_k − ln q_k)` in nats, from the logarithms of both; never negative.
///
/// Infinite where q rules out what p allows. At temperature T, `T² KL_T` compares with values at other temperatures.
///
/// # Panics
/// If the two have different lengths.
pub fn kl_nats(log_p: &[f64], log_q: &[f64]) -> f64 {
    assert_eq!(
        log_p.len(),
        log_q.len(),
        "two distributions over the same classes"
    );
    let terms = log_p.iter().zip(log_q).map(|(lp, lq)| match lp.exp() {
        0.0 => 0.0,
        p => p * (lp - lq),
    });
    // Rounding can leave a sum a little below zero.
    terms.sum::<f64>().max(0.0)
}

/// A divergence as it is decided upon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clipped {
    /// At most the clip.
    pub nats: f64,
    /// More was measured, or nothing finite: counted, for a clipped mean hides it.
    pub was_clipped: bool,
}

/// At most `clip_nats`; infinite and not a number count as the worst.
pub fn clip(kl_nats: f64, clip_nats: f64) -> Clipped {
    let was_clipped = kl_nats.is_nan() || kl_nats > clip_nats;
    Clipped {
        nats: if was_clipped { clip_nats } else { kl_nats },
        was_clipped,
    }
}

/// Whether `class` is among the `places` largest outputs; of equals the first wins. Never where the output isn't a number.
pub fn is_within_top(outputs: &[f32], class: usize, places: usize) -> bool {
    let own = outputs[class];
    let before = |(other, z): &(usize, &f32)| **z > own || (**z == own && *other < class);
    !own.is_nan() && outputs.iter().enumerate().filter(before).count() < places
}

#[cfg(test)]
mod tests;
