//! What a manifest's reference says, as live traffic is measured against it.

use std::collections::BTreeMap;

use stillhouse_drift::{marginal::Reference, quantile_buckets::QuantileBuckets};

/// A number that is watched, with its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// As the manifest has it, `luma_mean`.
    pub name: String,
    /// By its ventiles.
    pub cells: QuantileBuckets,
}

/// What was seen at validation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Shares of the classes; one for each name that classes are counted under.
    pub classes: Option<Reference>,
    /// Validation pictures.
    pub samples: u64,
    /// Agreement with the teacher.
    pub agreement: Option<f64>,
    /// Mean KL(teacher‖version).
    pub kl_nats: Option<f64>,
    /// The same, each clipped.
    pub kl_clipped_nats: Option<f64>,
    /// Numbers of pictures and answers.
    pub watched: Vec<Watched>,
}

impl Expected {
    /// Which of these ventiles are sound; the others can't be watched.
    pub fn watch(ventiles: &BTreeMap<String, Vec<f64>>) -> Vec<Watched> {
        let watched = |(name, ventiles): (&String, &Vec<f64>)| {
            Some(Watched {
                name: name.clone(),
                cells: QuantileBuckets::new(ventiles)?,
            })
        };
        ventiles.iter().filter_map(watched).collect()
    }
}
