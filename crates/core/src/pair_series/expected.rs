//! A manifest's reference, in the form in which live traffic is compared with it.

use std::collections::BTreeMap;

use stillhouse_drift::{marginal::Reference, quantile_buckets::QuantileBuckets};

/// A watched statistic, with its cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// Its name in the manifest, e.g. `luma_mean`.
    pub name: String,
    /// By its ventiles.
    pub cells: QuantileBuckets,
}

/// Its values at validation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Shares of the classes, one for each class name in the metrics.
    pub classes: Option<Reference>,
    /// Of independent scores: of each class with a name of its own in the metrics, how often it applies and how often not.
    pub labels: Vec<Reference>,
    /// Number of validation pictures.
    pub samples: u64,
    /// Agreement with the teacher.
    pub agreement: Option<f64>,
    /// Mean KL(teacher‖version).
    pub kl_nats: Option<f64>,
    /// Mean KL(teacher‖version), each value clipped.
    pub kl_clipped_nats: Option<f64>,
    /// Statistics of pictures and answers.
    pub watched: Vec<Watched>,
}

impl Expected {
    /// Which of these ventiles are sound, with the shares beyond their guards; the others can't be watched.
    pub fn watch(
        ventiles: &BTreeMap<String, Vec<f64>>,
        tails: &BTreeMap<String, [f64; 2]>,
    ) -> Vec<Watched> {
        let watched = |(name, ventiles): (&String, &Vec<f64>)| {
            Some(Watched {
                name: name.clone(),
                cells: QuantileBuckets::new(ventiles, tails.get(name).copied())?,
            })
        };
        ventiles.iter().filter_map(watched).collect()
    }
}
