//! What rows of outputs can be, judged by their numbers: logits, probabilities, independent scores.

use stillhouse_store::manifest::OutputKind;

/// How far a sum of probabilities may be from 1, and one of them outside 0 to 1: half precision and approximate
/// exponentials are this far off.
const TOLERANCE: f64 = 1e-3;

/// Outputs that can't be of the kind that they were declared as.
#[derive(Clone, Debug, PartialEq)]
pub struct Contradiction {
    /// What they are instead, as far as that can be seen.
    pub found: OutputKind,
    /// By which it was recognised.
    pub why: String,
}

/// Why `rows` aren't what they are `declared` to be; `None` where they can be.
pub fn contradiction(declared: OutputKind, rows: &[&[f32]]) -> Option<Contradiction> {
    let none_is_outside = rows.iter().all(|row| outside(row).is_none());
    let refuted = rows.iter().find_map(|row| refute(row));
    let outside = rows.iter().find_map(|row| outside(row));
    let (found, why) = match (declared, refuted, outside) {
        (OutputKind::Logits | OutputKind::IndependentLogits, None, _) => (
            OutputKind::Probabilities,
            "every row is non-negative and sums to 1".to_owned(),
        ),
        (OutputKind::Probabilities, Some(why), _) if none_is_outside => (
            OutputKind::Independent,
            format!("{why}, and every score lies between 0 and 1"),
        ),
        (OutputKind::Probabilities, Some(why), _) => (OutputKind::Logits, why),
        (OutputKind::Independent, _, Some(why)) => (OutputKind::IndependentLogits, why),
        _ => return None,
    };
    Some(Contradiction { found, why })
}

/// What the outputs for several pictures with exclusive classes are: probabilities where each row is non-negative and sums
/// to 1 ± 1e-3.
pub fn kind_of(rows: &[&[f32]]) -> OutputKind {
    match rows.iter().all(|row| refute(row).is_none()) {
        true => OutputKind::Probabilities,
        false => OutputKind::Logits,
    }
}

/// What the outputs for several pictures with independent classes are: probabilities where each lies between 0 and 1.
pub fn independent_kind_of(rows: &[&[f32]]) -> OutputKind {
    match rows.iter().all(|row| outside(row).is_none()) {
        true => OutputKind::Independent,
        false => OutputKind::IndependentLogits,
    }
}

/// Why a row of outputs is no distribution, in words.
pub fn refute(row: &[f32]) -> Option<String> {
    if let Some(class) = row.iter().position(|value| *value < 0.0) {
        return Some(format!("output {class} is {:?}", row[class]));
    }
    let sum: f64 = row.iter().map(|value| f64::from(*value)).sum();
    let near = (sum - 1.0).abs() <= TOLERANCE;
    (!near).then(|| format!("a row sums to {sum:.4}"))
}

/// The output of a row that is no probability, in words.
pub fn outside(row: &[f32]) -> Option<String> {
    let within = -TOLERANCE..=1.0 + TOLERANCE;
    let class = row
        .iter()
        .position(|value| !within.contains(&f64::from(*value)))?;
    Some(format!("output {class} is {:?}", row[class]))
}
