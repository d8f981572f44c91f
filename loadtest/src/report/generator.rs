//! The generator's own resource use, and whether it may have distorted the result.

use serde::Serialize;

use super::phases::PhaseReport;
use crate::generator::GeneratorUsage;

/// A generator that is busy for a larger share of its threads' time sends late.
const BUSY: f64 = 0.9;
/// Rare delays of the generator change a maximum, but not these.
const COMMON: [&str; 3] = ["p50", "p90", "p99"];

/// Resources that the generator used, warm-up included.
#[derive(Debug, Serialize)]
pub(crate) struct Generator {
    pub threads: usize,
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    /// Processor time as a share of its threads' wall time.
    pub busy: f64,
    /// Whether even common percentiles (up to p99) may be due to the generator.
    pub suspect: bool,
    /// How the generator may have distorted the result; empty if it didn't.
    pub warnings: Vec<String>,
}

pub(super) fn generator(cost: &GeneratorUsage, sent: u64, phases: &[PhaseReport]) -> Generator {
    let busy = cost.cpu_seconds / (cost.wall_seconds * cost.threads as f64);
    let mut warnings = Vec::new();
    let mut suspect = busy > BUSY;
    if busy > BUSY {
        warnings.push(format!(
            "it was busy for {:.0} % of its time, so it may have limited the result; give it another thread (--threads {}) \
             or a machine of its own",
            busy * 100.0,
            cost.threads + 1
        ));
    }
    for phase in phases.iter().filter(|phase| phase.measured) {
        let (Some(latency), Some(late)) = (&phase.latency_ms, &phase.generator_late_ms) else {
            continue;
        };
        let distorted = latency.distorted_by(late);
        suspect |= distorted.iter().any(|name| COMMON.contains(name));
        if !distorted.is_empty() {
            warnings.push(format!(
                "{}: its own lateness exceeds a fifth of {}; these are not the server's alone (lateness: p99 {:.2} ms, \
                 max {:.2} ms)",
                phase.name,
                distorted.join(", "),
                late.p99,
                late.max
            ));
        }
    }
    Generator {
        threads: cost.threads,
        cpu_seconds: cost.cpu_seconds,
        cpu_us_per_request: cost.cpu_seconds * 1e6 / sent.max(1) as f64,
        busy,
        suspect,
        warnings,
    }
}
