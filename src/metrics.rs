//! The Prometheus registry that is passed around, and the bucket sets that all histograms share.
//!
//! Each module declares its own families here-by ([`Metrics::counters`] and its siblings) and resolves its handles once;
//! the hot path only touches atomics.

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

/// What every metric's name begins with.
const PREFIX: &str = "stillhouse_";

/// Seconds from 50 µs to 10 s: answers of a small network on one end, a queue before its deadline on the other.
pub const LATENCY_SECONDS: &[f64] = &[
    0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

/// Powers of two up to the largest batch that a version may have.
pub const BATCH_ROWS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// A registry of this process's metrics; no global one is used, so two servers can live in one test.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// An empty registry, with the process's own figures (memory, descriptors, CPU) where the platform gives them.
    pub fn new() -> Self {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        register(
            &registry,
            prometheus::process_collector::ProcessCollector::for_self(),
        );
        Self { registry }
    }

    /// A family of counters; `help` becomes its documentation.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        let family = IntCounterVec::new(opts(name, help), labels).expect("static labels");
        register(&self.registry, family.clone());
        family
    }

    /// A family of whole-number gauges.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        let family = IntGaugeVec::new(opts(name, help), labels).expect("static labels");
        register(&self.registry, family.clone());
        family
    }

    /// A family of real-number gauges.
    pub fn real_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        let family = GaugeVec::new(opts(name, help), labels).expect("static labels");
        register(&self.registry, family.clone());
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
        register(&self.registry, family.clone());
        family
    }

    /// Everything in Prometheus's text format, version 0.0.4.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("writing into memory");
        text
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("{PREFIX}{name}"), help)
}

/// Names are constants of this program: one registered twice is a mistake to be found by the first test that starts it.
fn register(registry: &Registry, collector: impl prometheus::core::Collector + 'static) {
    registry
        .register(Box::new(collector))
        .expect("a metric name is registered once");
}
