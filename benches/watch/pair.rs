//! What one pair costs: measured, counted, and added to the tests of the judge. And how often it allocates.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use stillhouse::{
    control::judge::Criteria,
    drift::{
        comparison::{Comparison, Scores},
        marginal::Reference,
        sequential::{Detector, disagreement, divergence},
    },
    metrics::{Classes, Metrics},
    pair_series::{Expected, PairMetrics, PairSeries},
};

/// Counts the allocations of this process.
pub(crate) struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it does the same as the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

const ROUNDS: usize = 20_000;
const PICTURES: usize = 64;

pub(crate) struct Cost {
    pub microseconds: f64,
    pub allocations: f64,
}

/// Numbers like a network's logits, the same on every run.
fn logits(classes: usize, seed: usize) -> Vec<f32> {
    let noise = |n: usize| ((n.wrapping_mul(2_654_435_761) >> 7) % 1000) as f32 / 100.0;
    (0..classes)
        .map(|class| noise(class * 7919 + seed * 104_729))
        .collect()
}

fn expected(classes: usize) -> Expected {
    let ventiles: Vec<f64> = (1..=19).map(|place| f64::from(place) / 20.0).collect();
    let names = ["top1_probability", "margin", "log_sum_exp"].map(str::to_owned);
    let watched: BTreeMap<_, _> = names
        .into_iter()
        .map(|name| (name, ventiles.clone()))
        .collect();
    Expected {
        classes: Some(Reference::new(&vec![1.0 / classes as f64; classes], 10_000)),
        samples: 10_000,
        agreement: Some(0.97),
        kl_nats: Some(0.02),
        kl_clipped_nats: Some(0.02),
        labels: Vec::new(),
        watched: Expected::watch(&watched, &BTreeMap::new()),
    }
}

fn classes(count: usize) -> Classes {
    let labels: Vec<String> = (0..count)
        .map(|class| format!("class number {class}"))
        .collect();
    Classes::new(labels.into(), 1000)
}

/// One teacher, two students at a temperature of 4, both tests of the judge and both detectors: everything of a pair
/// except the networks themselves.
pub(crate) fn cost(count: usize) -> Cost {
    let metrics = Metrics::new();
    let families = PairMetrics::new(&metrics);
    let mut scope = metrics.scope();
    let mut resolve = |version, role, detectors| -> PairSeries {
        families.resolve(
            ["m", version, role],
            &mut scope,
            &classes(count),
            expected(count),
            2.0,
            detectors,
        )
    };
    let series = [
        resolve("s1", "stable", true),
        resolve("s2", "canary", false),
    ];
    let criteria = Criteria::default();
    let mut paired = [criteria.disagreement(), criteria.divergence()];
    let mut detectors = [0.03, 0.02].map(|margin| Detector::new(0.0, 1.0, margin));
    let mut comparison = Comparison::default();
    let pictures: Vec<[Vec<f32>; 3]> = (0..PICTURES)
        .map(|seed| [0, 1, 2].map(|network: usize| logits(count, 3 * seed + network)))
        .collect();
    let mut pair = |[teacher, stable, canary]: &[Vec<f32>; 3]| {
        let truth = Scores::Logits(teacher);
        comparison.begin(truth);
        let [one, other] = [(&series[0], stable), (&series[1], canary)].map(|(series, scores)| {
            let measure = comparison.student(truth, Scores::Logits(scores), 4.0);
            series.observe(&measure, &comparison);
            measure
        });
        detectors[0].observe(f64::from(!one.agrees));
        detectors[1].observe(one.kl_nats.min(2.0) / 2.0);
        series[0].show_detectors(detectors.each_ref().map(Detector::log_statistic));
        paired[0].observe(disagreement(Some(one.agrees), Some(other.agrees)));
        paired[1].observe(divergence(Some(one.kl_nats), Some(other.kl_nats), 2.0));
        black_box(paired[0].roll_back().log_e());
    };
    pictures.iter().for_each(&mut pair);
    let rounds = (ROUNDS * 10 / count.max(10)).max(1000);
    let (begun, before) = (Instant::now(), ALLOCATIONS.load(Relaxed));
    for round in 0..rounds {
        pair(black_box(&pictures[round % PICTURES]));
    }
    Cost {
        microseconds: begun.elapsed().as_secs_f64() * 1e6 / rounds as f64,
        allocations: (ALLOCATIONS.load(Relaxed) - before) as f64 / rounds as f64,
    }
}

/// Milliseconds of one `/metrics` with three versions of 1000 classes each, and its bytes.
pub(crate) fn render() -> (f64, usize) {
    let metrics = Metrics::new();
    let families = PairMetrics::new(&metrics);
    let mut scope = metrics.scope();
    let all = classes(1000);
    let predictions = metrics.counters(
        "predictions_total",
        "As in the server.",
        &["model", "version", "role", "class"],
    );
    let seats = [("t", "teacher"), ("s1", "stable"), ("s2", "canary")];
    for (version, role) in seats {
        for class in all.names() {
            let of = &["m", version, role, class];
            predictions.with_label_values(of).inc();
        }
        // The teacher isn't compared with another version.
        if role != "teacher" {
            let of = ["m", version, role];
            families.resolve(of, &mut scope, &all, expected(1000), 2.0, role == "stable");
        }
    }
    let mut times: Vec<f64> = (0..50)
        .map(|_| {
            let begun = Instant::now();
            black_box(metrics.render());
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], metrics.render().len())
}
