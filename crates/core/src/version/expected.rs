//! Converts a manifest's reference into the form that live traffic is compared with.

use super::Version;
use crate::pair_series::{Expected, Watched};
use stillhouse_drift::marginal::Reference;
use stillhouse_metrics::Classes;
use stillhouse_store::manifest::OutputKind;

impl Version {
    /// The values of this version at validation; none if its manifest has no reference.
    pub fn expected(&self, classes: &Classes) -> Expected {
        let Some(reference) = &self.manifest.reference else {
            return Expected::default();
        };
        let counted = reference.samples > 0
            && reference.class_ratios.len() == self.manifest.output.classes
            && reference.class_ratios.len() >= 2;
        let mut watched = Expected::watch(&reference.ventiles, &reference.tail_ratios);
        // Of anything but exclusive logits it is always 0.
        if self.manifest.output.kind != OutputKind::Logits {
            watched.retain(|Watched { name, .. }| name != "log_sum_exp");
        }
        // Classes that share a name have no rate in common.
        let own = reference.label_ratios.iter().enumerate();
        let own = own.take_while(|(class, _)| classes.has_name(*class));
        let rate =
            |(_, ratio): (usize, &f64)| Reference::new(&[*ratio, 1.0 - ratio], reference.samples);
        Expected {
            labels: own.map(rate).collect(),
            classes: counted.then(|| {
                let shares = classes.gather(&reference.class_ratios);
                Reference::new(&shares, reference.samples)
            }),
            samples: reference.samples,
            agreement: reference.agreement,
            kl_nats: reference.kl_mean_nats,
            kl_clipped_nats: reference.kl_clipped_mean_nats,
            watched,
        }
    }
}
