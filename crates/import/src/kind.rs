//! What a network's scores are: given, or known from the graph's last activation, or from the numbers; never guessed.

use stillhouse_engine::{Activation, Signature};
use stillhouse_golden::{
    contract,
    kind::{Contradiction, contradiction, refute},
};
use stillhouse_store::manifest::{DEFAULT_THRESHOLD, OutputKind};

use super::{Choice, ImportError, Origin, Overrides};

/// Decides by the outputs `rows` for the golden pictures.
pub(super) fn decide(
    signature: &Signature,
    rows: &[&[f32]],
    given: Option<OutputKind>,
) -> Result<(OutputKind, Choice), ImportError> {
    let (kind, origin) = match given {
        Some(kind) => (checked(signature, rows, kind)?, Origin::Given),
        None => found(signature, rows)?,
    };
    let about = match (kind, signature.single_score) {
        (_, Some(_)) => ", one score for two classes: the negative, then the positive",
        (OutputKind::Independent, _) => {
            ", a probability for each class; any number of labels applies"
        }
        (OutputKind::IndependentLogits, _) => {
            ", a sigmoid for each class has still to be applied; any number of labels applies"
        }
        (OutputKind::Logits | OutputKind::Probabilities, None) => "",
    };
    let value = format!("{}{about}", kind.as_str());
    Ok((kind, Choice::new("output.kind", value, origin)))
}

fn checked(
    signature: &Signature,
    rows: &[&[f32]],
    kind: OutputKind,
) -> Result<OutputKind, ImportError> {
    let given = kind.as_str();
    contract::kind(kind, signature).map_err(|graph| ImportError::Activation { given, graph })?;
    match contradiction(kind, rows) {
        None => Ok(kind),
        Some(Contradiction { found, why }) => Err(ImportError::Kind {
            given,
            found: found.as_str(),
            why,
        }),
    }
}

fn found(signature: &Signature, rows: &[&[f32]]) -> Result<(OutputKind, Origin), ImportError> {
    let is_single = signature.single_score.is_some();
    let refuted = rows.iter().find_map(|row| refute(row));
    match (signature.activation, refuted) {
        // A second softmax over it would flatten every answer.
        (Some(Activation::Softmax), Some(found)) => Err(ImportError::RoundedSoftmax { found }),
        (Some(Activation::Softmax), None) => Ok((OutputKind::Probabilities, Origin::Graph)),
        (Some(Activation::Sigmoid), _) if is_single => {
            Ok((OutputKind::Probabilities, Origin::Graph))
        }
        (Some(Activation::Sigmoid), _) => Ok((OutputKind::Independent, Origin::Graph)),
        (None, None) if !is_single => Ok((OutputKind::Probabilities, Origin::Observed)),
        (None, _) if rows.iter().all(|row| are_within(row)) => Err(open(is_single, rows)),
        (None, _) => Ok((OutputKind::Logits, Origin::Observed)),
    }
}

/// Whether each is a probability exactly: a sigmoid, however it is written, never leaves its range.
fn are_within(row: &[f32]) -> bool {
    row.iter().all(|score| (0.0..=1.0).contains(score))
}

/// Numbers from 0 to 1 without an activation: probabilities made in some other way, or logits by chance.
fn open(is_single: bool, rows: &[&[f32]]) -> ImportError {
    let sums = rows.iter().map(|row| row.iter().sum::<f32>());
    let sums = sums
        .map(|sum| format!("{sum:.4}"))
        .collect::<Vec<_>>()
        .join(", ");
    match is_single {
        true => ImportError::OpenKind {
            found: format!(
                "the one score of each golden picture lies between 0 and 1 ({sums}), as a probability of the positive class does, or a logit by chance"
            ),
            fitting: "--output probabilities or --output logits",
        },
        false => ImportError::OpenKind {
            found: format!(
                "every score lies between 0 and 1, but the rows sum to {sums}, as independent scores do (any number of labels applies), or logits by chance"
            ),
            fitting: "--output independent or --output logits",
        },
    }
}

/// The thresholds as the manifest has them.
pub(super) fn thresholds(
    kind: OutputKind,
    overrides: &Overrides,
    choices: &mut Vec<Choice>,
) -> Result<Vec<f32>, ImportError> {
    let given = &overrides.thresholds;
    if !kind.is_independent() {
        return match given {
            None => Ok(Vec::new()),
            Some(_) => Err(ImportError::Frame(format!(
                "--threshold belongs to independent scores, but the network's are {}: of exclusive classes the likeliest applies",
                kind.as_str()
            ))),
        };
    }
    let thresholds = given.clone().unwrap_or_else(|| vec![DEFAULT_THRESHOLD]);
    let text: Vec<String> = thresholds.iter().map(f32::to_string).collect();
    let origin = Origin::given_or(given, Origin::Default);
    choices.push(Choice::new("output.thresholds", text.join(", "), origin));
    Ok(thresholds)
}
