//! Latency by percentile, for the plot.

use hdrhistogram::Histogram;

/// Latency by percentile as points (x, y): x is the number of nines of the percentile (0 is p0, 1 is p90, 2 is p99), y the
/// latency in milliseconds.
pub(super) fn curve(latencies: &Histogram<u64>) -> Vec<(f64, f64)> {
    if latencies.is_empty() {
        return Vec::new();
    }
    // Percentiles beyond the number of samples would only repeat the maximum.
    let most = (latencies.len() as f64).log10().max(0.1);
    let steps = (most * 20.0).ceil() as u32;
    (0..=steps)
        .map(|step| {
            let nines = (f64::from(step) / 20.0).min(most);
            let quantile = 1.0 - 10f64.powf(-nines);
            (nines, latencies.value_at_quantile(quantile) as f64 * 1e-6)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally;

    #[test]
    fn a_curve_has_the_percentiles_up_to_the_last_answer() {
        let mut latencies = tally::latencies();
        assert_eq!(curve(&latencies), []);
        (1..=1000).for_each(|ms| latencies.saturating_record(ms * 1_000_000));
        let curve = curve(&latencies);
        let at = |nines: f64| {
            let found = curve
                .iter()
                .find(|point| (point.0 - nines).abs() < 1e-9)
                .expect("on the grid");
            found.1
        };
        assert!((at(1.0) / 900.0 - 1.0).abs() < 0.01, "{}", at(1.0));
        assert!((at(2.0) / 990.0 - 1.0).abs() < 0.01, "{}", at(2.0));
        assert_eq!(curve.last().map(|point| point.0), Some(3.0));
    }
}
