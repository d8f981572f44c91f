//! The metric families that are passed around, and the bucket sets that all histograms share.
//!
//! Each module declares its own families here-by ([`Metrics::counters`] and its siblings) and resolves its handles once;
//! the hot path only touches atomics.

mod scope;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{
    CounterVec, Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    TextEncoder, core::Collector,
};

pub use scope::Scope;

/// What every metric's name begins with.
const PREFIX: &str = "stillhouse_";

/// Seconds from 50 µs to 10 s: answers of a small network on one end, a queue before its deadline on the other.
pub const LATENCY_SECONDS: &[f64] = &[
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

/// Powers of two up to the largest batch that a version may have.
pub const BATCH_ROWS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Divergences from what a good student has to what is decided upon, and beyond.
pub const DIVERGENCE_NATS: &[f64] = &[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0];

/// Probabilities of the top class: most lie near 1.
pub const PROBABILITY: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];

/// Entropies of an answer, up to ln 1000.
pub const ENTROPY_NATS: &[f64] = &[0.001, 0.01, 0.03, 0.1, 0.3, 0.7, 1.0, 1.5, 2.3, 4.6, 6.9];

/// Label value of all classes that have no series of their own.
const OTHER: &str = "other";

/// A model's classes as values of a label: so many at most, the rest together, so that series stay bounded.
#[derive(Clone, Debug)]
pub struct Classes {
    labels: Arc<[String]>,
    own: usize,
}

impl Classes {
    /// At most `most` classes get series of their own.
    pub fn new(labels: Arc<[String]>, most: usize) -> Self {
        let own = labels.len().min(most.max(1));
        Self { labels, own }
    }

    /// The label's values, in the order of [`place`](Self::place).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let own = self.labels[..self.own].iter().map(String::as_str);
        own.chain((self.own < self.labels.len()).then_some(OTHER))
    }

    /// Which of the names a class is counted under.
    pub fn place(&self, class: usize) -> usize {
        class.min(self.own)
    }

    /// Whether a class has a name of its own.
    pub fn has_name(&self, class: usize) -> bool {
        class < self.own
    }

    /// What is known by class, by name: the rest added up.
    pub fn gather(&self, by_class: &[f64]) -> Vec<f64> {
        let mut gathered = vec![0.0; self.names().count()];
        for (class, value) in by_class.iter().enumerate() {
            if let Some(sum) = gathered.get_mut(self.place(class)) {
                *sum += value;
            }
        }
        gathered
    }
}

/// This process's metrics; no global one is used, so two servers can live in one test.
#[derive(Clone)]
pub struct Metrics {
    families: Arc<Mutex<Vec<Box<dyn Collector>>>>,
    holders: scope::Holders,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// None yet but the process's own figures (memory, descriptors, CPU), where the platform gives them.
    pub fn new() -> Self {
        let metrics = Self {
            families: Arc::default(),
            holders: Arc::default(),
        };
        #[cfg(target_os = "linux")]
        metrics.register(prometheus::process_collector::ProcessCollector::for_self());
        metrics
    }

    /// Makes series that end when it is dropped.
    pub fn scope(&self) -> Scope {
        Scope::new(self.holders.clone())
    }

    /// A family of counters; `help` becomes its documentation.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let family = IntCounterVec::new(opts(name, help), labels).expect("static labels");
        self.register(family.clone());
        family
    }

    /// A family of counters of what isn't counted in whole numbers.
    pub fn real_counters(&self, name: &str, help: &str, labels: &[&str]) -> CounterVec {
        let family = CounterVec::new(opts(name, help), labels).expect("static labels");
        self.register(family.clone());
        family
    }

    /// A family of whole-number gauges.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let family = IntGaugeVec::new(opts(name, help), labels).expect("static labels");
        self.register(family.clone());
        family
    }

    /// A family of real-number gauges.
    pub fn real_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        let family = GaugeVec::new(opts(name, help), labels).expect("static labels");
        self.register(family.clone());
        family
    }

    /// A family of histograms over `buckets`.
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> HistogramVec {
        let opts = HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(buckets.to_vec());
        let family = HistogramVec::new(opts, labels).expect("static labels");
        self.register(family.clone());
        family
    }

    /// Everything in Prometheus's text format, version 0.0.4.
    ///
    /// Families are sorted, their series are not: nothing that reads the format needs it, and with three versions of 1000
    /// classes sorting takes as long as all the rest.
    pub fn render(&self) -> Vec<u8> {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gathered: Vec<_> = families
            .iter()
            .flat_map(|family| family.collect())
            .filter(|family| !family.get_metric().is_empty())
            .collect();
        drop(families);
        gathered.sort_by(|one, other| one.name().cmp(other.name()));
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new()
            .encode(&gathered, &mut text)
            .expect("writing into memory");
        text
    }

    /// Names are constants of this program: one registered twice is a mistake to be found by the first test that starts it.
    fn register(&self, family: impl Collector + 'static) {
        let name = |family: &dyn Collector| family.desc().first().map(|desc| desc.fq_name.clone());
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let known = families
            .iter()
            .any(|known| name(known.as_ref()) == name(&family));
        assert!(!known, "{:?} is registered twice", name(&family));
        families.push(Box::new(family));
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_beyond_the_limit_share_one_series() {
        let labels: Arc<[String]> = ["a", "b", "c", "d"].map(String::from).to_vec().into();
        let few = Classes::new(labels.clone(), 2);
        assert_eq!(few.names().collect::<Vec<_>>(), ["a", "b", "other"]);
        assert_eq!([0, 1, 2, 3].map(|class| few.place(class)), [0, 1, 2, 2]);
        assert_eq!(few.gather(&[0.1, 0.2, 0.3, 0.4]), [0.1, 0.2, 0.7]);
        let all = Classes::new(labels, 1000);
        assert_eq!(all.names().count(), 4);
        assert_eq!(all.place(3), 3);
    }
}
