//! What the generator itself took, and where the result may be its own doing.

use serde::Serialize;

use super::PhaseReport;
use crate::generator::Cost;

/// Of the time of its threads; a generator that is busier sends late.
const BUSY: f64 = 0.9;
/// A millisecond now and then makes a maximum, but no p99.
const COMMON: [&str; 3] = ["p50", "p90", "p99"];

/// What the generator itself took, warm-up included.
#[derive(Debug, Serialize)]
pub struct Generator {
    pub threads: usize,
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    /// Of its threads' time.
    pub busy: f64,
    /// Whether even common percentiles (up to p99) may be its own doing.
    pub suspect: bool,
    /// Why the result may be the generator's doing; empty if it isn't.
    pub warnings: Vec<String>,
}

pub(super) fn generator(cost: &Cost, sent: u64, phases: &[PhaseReport]) -> Generator {
    let busy = cost.cpu_seconds / (cost.wall_seconds * cost.threads as f64);
    let mut warnings = Vec::new();
    let mut suspect = busy > BUSY;
    if busy > BUSY {
        warnings.push(format!(
            "it was busy for {:.0} % of its time: what it shows is its own limit as much as the server's; give it another \
             thread (--threads {}) or a machine of its own",
            busy * 100.0,
            cost.threads + 1
        ));
    }
    for phase in phases.iter().filter(|phase| phase.measured) {
        let (Some(latency), Some(late)) = (&phase.latency_ms, &phase.generator_late_ms) else {
            continue;
        };
        let own = latency.own_doing(late);
        suspect |= own.iter().any(|name| COMMON.contains(name));
        if !own.is_empty() {
            warnings.push(format!(
                "{}: it was late itself by more than a fifth of {}: don't blame the server for these (late: p99 {:.2} ms, \
                 max {:.2} ms)",
                phase.name,
                own.join(", "),
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
