//! The crate `stillhouse-drift`, and what it measures as Prometheus counters.

pub use stillhouse_drift::*;

pub mod series;
