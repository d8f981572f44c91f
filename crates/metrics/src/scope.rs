//! Series that end with what they describe.
//!
//! A version that is unloaded, or a trial that is over, must take its series along, or every scrape carries them for ever.
//! What made a series is the only one that knows all of its labels, so it is made through a [`Scope`], which removes it again.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};

/// A family's name and a value for each of its labels.
type Key = (String, Vec<String>);

/// How many scopes hold a series: two may, while a version is being replaced by another of the same name.
pub(crate) type Holders = Arc<Mutex<HashMap<Key, usize>>>;

/// Makes series, and removes them when it is dropped, unless another scope holds them as well.
pub struct Scope {
    holders: Holders,
    held: HashMap<Key, Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.held.keys()).finish()
    }
}

impl Scope {
    pub(crate) fn new(holders: Holders) -> Self {
        Self {
            holders,
            held: HashMap::new(),
        }
    }

    /// The series of a family with these labels, in the order in which the family was declared with them; at 0 if it is new.
    ///
    /// # Panics
    /// Where the family has another number of labels.
    pub fn series<T>(&mut self, family: &MetricVec<T>, labels: &[&str]) -> T::M
    where
        T: MetricVecBuilder + 'static,
        MetricVec<T>: Collector + Clone,
    {
        let name = family.desc().first().map(|desc| desc.fq_name.clone());
        let values: Vec<String> = labels.iter().map(ToString::to_string).collect();
        let key = (name.unwrap_or_default(), values);
        // Held until the series is there: another scope that is dropped meanwhile must not remove it.
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(vacant) = self.held.entry(key) {
            *holders.entry(vacant.key().clone()).or_default() += 1;
            let (family, values) = (family.clone(), vacant.key().1.clone());
            vacant.insert(Box::new(move || {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                // It may have been removed with its whole family: that is no failure.
                let _ = family.remove_label_values(&values);
            }));
        }
        family.with_label_values(labels)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, remove) in self.held.drain() {
            match holders.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    holders.remove(&key);
                    remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Metrics;

    #[test]
    fn a_series_ends_with_the_last_scope_that_holds_it() {
        let metrics = Metrics::new();
        let text = || String::from_utf8(metrics.render()).expect("text");
        let counters = metrics.counters("things_total", "Things.", &["model"]);
        let gauges = metrics.real_gauges("size_bytes", "Sizes.", &["model", "version"]);
        let mut old = metrics.scope();
        old.series(&counters, &["fashion"]).inc_by(3);
        old.series(&counters, &["fashion"]).inc();
        old.series(&gauges, &["fashion", "s1"]).set(0.5);
        let mut new = metrics.scope();
        new.series(&counters, &["fashion"]).inc();
        counters.with_label_values(&["digits"]).inc();

        drop(old);
        assert!(
            text().contains("stillhouse_things_total{model=\"fashion\"} 5"),
            "{}",
            text()
        );
        assert!(!text().contains("size_bytes{"), "{}", text());
        drop(new);
        assert!(!text().contains("fashion"), "{}", text());
        assert!(
            text().contains("stillhouse_things_total{model=\"digits\"} 1"),
            "{}",
            text()
        );
        metrics.scope().series(&counters, &["fashion"]);
        assert!(!text().contains("fashion"), "a scope of a moment");
    }
}
