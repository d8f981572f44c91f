use stillhouse_drift::comparison::Scores;
use stillhouse_metrics::Metrics;

use super::*;

fn classes() -> Classes {
    let labels: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
    Classes::new(labels.into(), 1000)
}

fn expected() -> Expected {
    let ventiles: Vec<f64> = (1..=19).map(|place| f64::from(place) / 20.0).collect();
    let rising = [("top1_probability".to_owned(), ventiles)].into();
    Expected {
        watched: Expected::watch(
            &rising,
            &[("top1_probability".to_owned(), [0.001; 2])].into(),
        ),
        agreement: Some(0.9),
        ..Expected::default()
    }
}

/// The reading equals what Prometheus sees, and the sum over the classes is the divergence.
#[test]
fn readings_are_the_counters() {
    let metrics = Metrics::new();
    let families = PairMetrics::new(&metrics);
    let mut scope = metrics.scope();
    let of = ["toy", "v1", "canary"];
    let series = families.resolve(of, &mut scope, &classes(), expected(), 2.0, false);
    let mut comparison = Comparison::default();
    let (teacher, student) = ([2.0_f32, 0.0, 0.0], [0.0_f32, 1.0, 0.0]);
    comparison.begin(Scores::Logits(&teacher));
    let measure = comparison.student(Scores::Logits(&teacher), Scores::Logits(&student), 2.0);
    series.observe(&measure, &comparison);
    series.observe_worst(1);
    let tally = series.read([1, 0, 1], []);
    assert_eq!(
        (tally.pairs, tally.agreements, tally.within_top5),
        (2, 0, 1)
    );
    assert_eq!(tally.predictions, [1, 0, 1]);
    assert!((tally.kl_nats - measure.kl_nats - 2.0).abs() < 1e-12);
    assert!((tally.class_nats.iter().sum::<f64>() - tally.kl_nats).abs() < 1e-9);
    assert!((tally.kl_squares - measure.kl_nats.powi(2) - 4.0).abs() < 1e-12);
    assert!((tally.kl_cubes - measure.kl_nats.powi(3) - 8.0).abs() < 1e-12);
    assert!((tally.at_temperature_nats - measure.at_temperature_nats - 2.0).abs() < 1e-12);
    assert_eq!(
        tally
            .calibration
            .bins()
            .iter()
            .map(|bin| bin.answers)
            .sum::<u64>(),
        1
    );
    // An answer that isn't finite has no probability to count.
    assert_eq!(tally.cells[0].iter().sum::<u64>(), 1);
    let text = String::from_utf8(metrics.render()).expect("text");
    assert!(
        text.contains(
            "stillhouse_divergence_nats_count{model=\"toy\",role=\"canary\",version=\"v1\"} 2"
        ),
        "{text}"
    );
    assert!(
        text.contains("stillhouse_reference_agreement_ratio{model=\"toy\",version=\"v1\"} 0.9")
    );
}

#[test]
fn a_version_that_has_gone_leaves_no_series() {
    let metrics = Metrics::new();
    let families = PairMetrics::new(&metrics);
    let mut scope = metrics.scope();
    let of = ["toy", "v1", "stable"];
    let series = families.resolve(of, &mut scope, &classes(), expected(), 2.0, true);
    series.show_detectors([0.5, 1.5]);
    assert_eq!(series.detectors(), Some([0.5, 1.5]));
    assert!(
        String::from_utf8(metrics.render())
            .expect("text")
            .contains("v1")
    );
    drop(scope);
    let text = String::from_utf8(metrics.render()).expect("text");
    assert!(!text.contains("v1"), "{text}");
}
