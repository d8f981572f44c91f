//! Distances between a teacher's and a student's answer to the same picture. Pure, in f64, natural logarithms (nats).

/// Above this a single divergence counts as this much, in nats: about ln K for K = 10, and what a network that answers
/// nothing finite is booked with.
pub const CLIP_NATS: f64 = 2.0;

/// `ln softmax(z / temperature)`; the largest is subtracted first, so nothing overflows.
///
/// `temperature` must be above 0. Finite logits give finite results.
pub fn log_softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let mut log_p = Vec::with_capacity(logits.len());
    log_softmax_into(logits, temperature, &mut log_p);
    log_p
}

/// [`log_softmax`] into a buffer that is kept: what it held is gone, its memory is used again.
pub fn log_softmax_into(logits: &[f32], temperature: f64, log_p: &mut Vec<f64>) {
    log_p.clear();
    log_p.extend(logits.iter().map(|z| f64::from(*z)));
    normalise(log_p, temperature);
}

/// The same for a network that ends in a softmax: its probabilities are taken for what they are, but none for 0.
pub fn log_probabilities_into(probabilities: &[f32], temperature: f64, log_p: &mut Vec<f64>) {
    log_p.clear();
    let positive = probabilities.iter().map(|p| p.max(f32::MIN_POSITIVE));
    log_p.extend(positive.map(|p| f64::from(p).ln()));
    normalise(log_p, temperature);
}

fn normalise(z: &mut [f64], temperature: f64) {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    z.iter_mut().for_each(|z| *z = (*z - largest) / temperature);
    let log_sum = z.iter().map(|z| z.exp()).sum::<f64>().ln();
    z.iter_mut().for_each(|z| *z -= log_sum);
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

/// Which classes the divergence comes from: `c_k = p_k ln(p_k/q_k) − p_k + q_k`, never negative, with KL as their sum.
///
/// Terms `p_k ln(p_k/q_k)` alone would be negative where the student says too much, and useless as counters.
///
/// # Panics
/// If the two have different lengths.
pub fn contributions_nats<'a>(
    log_p: &'a [f64],
    log_q: &'a [f64],
) -> impl Iterator<Item = f64> + 'a {
    assert_eq!(
        log_p.len(),
        log_q.len(),
        "two distributions over the same classes"
    );
    log_p.iter().zip(log_q).map(|(lp, lq)| {
        let q = lq.exp();
        match lp.exp() {
            0.0 => q,
            p => (p * (lp - lq) - p + q).max(0.0),
        }
    })
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

/// `T² KL_T`, from log-probabilities at that temperature: it compares with values at other temperatures, and for large T it
/// tends to `Σ(Δz)²/2K` with centred logits.
pub fn matching_kl_nats(log_p: &[f64], log_q: &[f64], temperature: f64) -> f64 {
    temperature * temperature * kl_nats(log_p, log_q)
}

/// `−Σ p ln p`: 0 for a certain answer, ln K for a guess.
pub fn entropy_nats(log_p: &[f64]) -> f64 {
    let terms = log_p.iter().map(|lp| match lp.exp() {
        0.0 => 0.0,
        p => -p * lp,
    });
    terms.sum::<f64>().max(0.0)
}

/// Whether `class` is among the `places` largest outputs; of equals the first wins. Never where the output isn't a number.
pub fn is_within_top(outputs: &[f32], class: usize, places: usize) -> bool {
    let own = outputs[class];
    let before = |(other, z): &(usize, &f32)| **z > own || (**z == own && *other < class);
    !own.is_nan() && outputs.iter().enumerate().filter(before).count() < places
}

#[cfg(test)]
mod tests;
