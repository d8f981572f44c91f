//! Independent scores: of each class the probability that it applies, whatever applies beside it (multi-label
//! classification). One answer is a product of Bernoulli distributions.

/// What a probability of 1 stands for as f32: everything above `1 - 2⁻²⁵`, halfway to the number below it.
const COMPLEMENT_FLOOR: f64 = 1.0 / (1 << 25) as f64;

/// A network's outputs, `[classes]`, with what is decided by them.
#[derive(Clone, Copy, Debug)]
pub struct Independent<'a> {
    /// As the network gives them.
    pub outputs: &'a [f32],
    /// Whether a sigmoid has still to make probabilities of them.
    pub are_logits: bool,
    /// From which probability on each class applies.
    pub thresholds: &'a [f32],
}

impl Independent<'_> {
    /// Of each class, whether it applies.
    pub fn labels(&self) -> impl Iterator<Item = bool> + '_ {
        let outputs = self.outputs.iter().zip(self.thresholds);
        outputs.map(|(output, threshold)| {
            let probability = match self.are_logits {
                true => sigmoid(*output),
                false => *output,
            };
            probability >= *threshold
        })
    }

    fn logits(&self) -> impl Iterator<Item = f64> + '_ {
        self.outputs.iter().map(|output| match self.are_logits {
            true => f64::from(*output),
            false => logit(*output),
        })
    }

    /// How far the decision nearest to its threshold is from it: the least `|logit(p) − logit(threshold)|`, in nats.
    pub fn margin(&self) -> f64 {
        let distances = self.logits().zip(self.thresholds);
        let distances = distances.map(|(z, threshold)| (z - logit(*threshold)).abs());
        distances.fold(f64::INFINITY, f64::min)
    }
}

/// `1 / (1 + exp(−z))`.
pub fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + (-z).exp())
}

/// `ln(p / (1 − p))`, finite for 0 and 1: each stands for what f32 rounds to it.
fn logit(p: f32) -> f64 {
    let complement = (1.0 - f64::from(p)).max(COMPLEMENT_FLOOR);
    f64::from(p.max(f32::MIN_POSITIVE)).ln() - complement.ln()
}

/// `ln(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// One answer: by class, the logarithms of the probabilities that it applies, and that it doesn't. The buffers are kept
/// from answer to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bernoullis {
    ln_yes: Vec<f64>,
    ln_no: Vec<f64>,
}

impl Bernoullis {
    /// Becomes `sigmoid(z / temperature)` of every class, with the logits of what are probabilities already: two logits
    /// `[0, z]` softened at the same temperature say the same. `temperature` must be above 0 and the outputs finite.
    pub fn set(&mut self, scores: &Independent<'_>, temperature: f64) {
        self.ln_yes.clear();
        self.ln_no.clear();
        for z in scores.logits() {
            self.ln_yes.push(-softplus(-z / temperature));
            self.ln_no.push(-softplus(z / temperature));
        }
    }

    /// Of each class, the probability that it applies.
    pub fn p(&self) -> impl Iterator<Item = f64> + '_ {
        self.ln_yes.iter().map(|ln_yes| ln_yes.exp())
    }

    /// Of each class, the logarithms of the probabilities that it applies, and that it doesn't.
    pub fn log_p(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let both = self.ln_yes.iter().zip(&self.ln_no);
        both.map(|(yes, no)| [*yes, *no])
    }

    /// `KL(self‖other)` in nats, never negative: the sum over the classes of the divergences of two Bernoulli
    /// distributions, `p ln(p/q) + (1−p) ln((1−p)/(1−q))`. Relative entropies of independent variables add up (Kullback &
    /// Leibler 1951, theorem 3.1; Cover & Thomas, Elements of Information Theory, 2nd ed., theorem 2.5.3).
    ///
    /// # Panics
    /// If the other one has another number of classes.
    pub fn kl_nats(&self, other: &Self) -> f64 {
        self.contributions_nats(other).sum()
    }

    /// The divergence of each class, never negative.
    ///
    /// # Panics
    /// If the other one has another number of classes.
    pub fn contributions_nats<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = f64> + 'a {
        assert_eq!(
            self.ln_yes.len(),
            other.ln_yes.len(),
            "two answers over the same classes"
        );
        let term = |(ln_p, ln_q): (&f64, &f64)| match ln_p.exp() {
            0.0 => 0.0,
            p => p * (ln_p - ln_q),
        };
        let yes = self.ln_yes.iter().zip(&other.ln_yes).map(term);
        let no = self.ln_no.iter().zip(&other.ln_no).map(term);
        // Rounding can leave a sum a little below zero.
        yes.zip(no).map(|(yes, no)| (yes + no).max(0.0))
    }

    /// The probability that exactly these labels apply.
    pub fn certainty(&self, labels: impl Iterator<Item = bool>) -> f64 {
        let decided = labels.zip(self.ln_yes.iter().zip(&self.ln_no));
        let logs = decided.map(|(label, (yes, no))| if label { *yes } else { *no });
        logs.sum::<f64>().exp()
    }
}

#[cfg(test)]
mod tests;
