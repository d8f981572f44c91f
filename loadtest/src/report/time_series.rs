//! The run over time, for the JSON and the plot.

use serde::Serialize;

use crate::generator::RunResult;

/// The run over time, with one value per interval.
#[derive(Debug, Default, Serialize)]
pub(crate) struct TimeSeries {
    pub interval_seconds: f64,
    pub offered_per_second: Vec<f64>,
    pub answered_per_second: Vec<f64>,
    pub refused_per_second: Vec<f64>,
    pub failed_per_second: Vec<f64>,
    /// Latencies of answers; null in intervals without answers.
    pub p50_ms: Vec<Option<f64>>,
    pub p99_ms: Vec<Option<f64>>,
}

pub(super) fn times(ran: &RunResult) -> TimeSeries {
    let timeline = &ran.tally.timeline;
    let width = timeline.width_seconds();
    let mut times = TimeSeries {
        interval_seconds: width,
        ..TimeSeries::default()
    };
    for interval in timeline.intervals() {
        let latencies = &interval.latencies;
        let at = |share| {
            (!latencies.is_empty()).then(|| latencies.value_at_quantile(share) as f64 * 1e-6)
        };
        times
            .offered_per_second
            .push(interval.offered as f64 / width);
        times
            .answered_per_second
            .push(interval.answered as f64 / width);
        times
            .refused_per_second
            .push(interval.refused as f64 / width);
        times.failed_per_second.push(interval.failed as f64 / width);
        times.p50_ms.push(at(0.5));
        times.p99_ms.push(at(0.99));
    }
    times
}
