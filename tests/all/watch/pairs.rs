//! What is compared, and the results.

use bytes::Bytes;
use serde_json::{Value, json};
use stillhouse::store::{Labels, NewVersion, Repository};
use stillhouse_engine::scripted::Scripted;

use super::{PAIRS, beside_teacher, by_number, everything, logits, missed, of, picture, send};
use crate::{
    rollout::{always, scripted},
    server::TestServer,
    toy::{LABELS, SIDE, toy_manifest, write_version},
};

fn near(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or(f64::NAN);
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

/// KL of two softmaxes of three logits, one of which favours a class by `height` and one another by as much.
fn kl(height: f64) -> f64 {
    let sum = height.exp() + 2.0;
    let (high, low) = (height.exp() / sum, 1.0 / sum);
    (high - low) * (high / low).ln()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_compared_and_counted_correctly() {
    // The student disagrees on every fifth picture.
    let student = by_number(|n| usize::from(n % 5 == 0));
    let server = beside_teacher(always(0), vec![("v1", student)], |_| {}).await;
    send(&server, 1..101).await;
    server.until(PAIRS, 100.0).await;
    let stable = |name| of(name, "v1", "stable");
    assert_eq!(server.metric(&stable("divergence_nats_count")).await, 100.0);
    assert_eq!(server.metric(&stable("agreements_total")).await, 80.0);
    assert_eq!(
        server.metric(&stable("top5_containments_total")).await,
        100.0
    );
    let sum = server.metric(&stable("divergence_nats_sum")).await;
    assert!((sum - 20.0 * kl(9.0)).abs() < 1e-6, "{sum}");
    let class = |class: &str| {
        format!(
            "stillhouse_divergence_class_nats_total{{class=\"{class}\",model=\"toy\",role=\"stable\",version=\"v1\"}}"
        )
    };
    let mut parts = 0.0;
    for label in LABELS {
        parts += server.metric(&class(label)).await;
    }
    assert!((parts - sum).abs() < 1e-6, "{parts} of {sum}");

    let drift = server
        .admin_view("/drift", |view| !view["roles"].is_null())
        .await;
    let role = &drift["roles"][0];
    assert_eq!(
        (&role["role"], &role["version"]),
        (&json!("stable"), &json!("v1"))
    );
    assert_eq!(drift["teacher"], "t");
    near(&role["agreement"]["value"], 0.8);
    near(&role["divergence"]["value"], 0.2 * kl(9.0));
    assert_eq!(role["divergence"]["observations"], 100);
    assert_eq!(role["clips"], 20);
    // A class that neither of them ever answers contributes nothing.
    assert_eq!(role["by_class"].as_array().expect("classes").len(), 2);
    let [low, high] = [0, 1].map(|end: usize| {
        role["agreement"]["interval"][end]
            .as_f64()
            .expect("a bound")
    });
    assert!(low < 0.8 && 0.8 < high);
    // Without a reference nothing is reported about it.
    assert_eq!(role["predictions"], Value::Null);
}

/// Whichever role answers, the two others are run; the picture is the same.
#[tokio::test(flavor = "multi_thread")]
async fn all_roles_are_sampled_alike() {
    let canary = by_number(|n| usize::from(n % 2 == 0));
    let server = beside_teacher(always(0), vec![("v1", always(0)), ("v2", canary)], |_| {}).await;
    server
        .order("POST", "canary", json!({"version": "v2", "share": "40%"}))
        .await;
    server
        .order("PUT", "split", json!({"teacher": "30%"}))
        .await;
    send(&server, 0..200).await;
    server.until(PAIRS, 200.0).await;
    let mut answered = 0.0;
    for role in ["teacher", "stable", "canary"] {
        let samples = format!("stillhouse_shadow_samples_total{{model=\"toy\",role=\"{role}\"}}");
        let samples = server.metric(&samples).await;
        assert!((25.0..=120.0).contains(&samples), "{role}: {samples}");
        answered += samples;
    }
    assert_eq!(answered, 200.0);
    for (version, role, agreements) in [("v1", "stable", 200.0), ("v2", "canary", 100.0)] {
        let count = server
            .metric(&of("divergence_nats_count", version, role))
            .await;
        let agreed = server.metric(&of("agreements_total", version, role)).await;
        assert_eq!((count, agreed), (200.0, agreements), "{role}");
    }
}

/// 2000 repetitions of one picture are one observation, with and without keys; the drops are counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_counts_once() {
    for header in ["", "x-user"] {
        let server = beside_teacher(always(0), vec![("v1", always(0))], |config| {
            config.routing.key_header = header.into();
        })
        .await;
        for n in 0..2000 {
            // With a key the caller counts, whatever the pictures.
            let body = picture(if header.is_empty() { 7 } else { n });
            let reply = server.post("/predict", body, &[("x-user", "anna")]).await;
            assert_eq!(reply.status, 200);
        }
        server.until(&missed("cooldown"), 1999.0).await;
        assert_eq!(server.metric(PAIRS).await, 1.0);
        let starved = "stillhouse_shadows_starved{model=\"toy\"}";
        assert_eq!(server.metric(starved).await, 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_teacher_runs_within_its_budget() {
    let server = beside_teacher(always(0), vec![("v1", always(0))], |config| {
        config.shadow.budget_per_second = 0.01;
    })
    .await;
    send(&server, 0..50).await;
    server.until(&missed("budget"), 49.0).await;
    assert_eq!(server.metric(PAIRS).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_the_sampled_part_and_zero_samples_nothing() {
    for (rate, range) in [(0.3, 200.0..=400.0), (0.0, 0.0..=0.0)] {
        let server = beside_teacher(always(0), vec![("v1", always(0))], |config| {
            config.shadow.rate = rate;
        })
        .await;
        send(&server, 0..1000).await;
        let samples = "stillhouse_shadow_samples_total{model=\"toy\",role=\"stable\"}";
        let samples = server.metric(samples).await;
        assert!(range.contains(&samples), "{samples} at {rate}");
    }
}

/// A teacher that reads larger pictures gets its own pixels of the same picture; tensors fit only one network.
#[tokio::test(flavor = "multi_thread")]
async fn each_role_reads_the_picture_by_its_own_transform() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    write_version(&models, "v1", Bytes::from_static(b"v1"), vec![]);
    let mut manifest = toy_manifest();
    (manifest.transform.width, manifest.transform.height) = (2 * SIDE, 2 * SIDE);
    let version = NewVersion {
        manifest,
        labels: Labels::new(LABELS.map(str::to_owned).to_vec()).expect("labels"),
        model_bytes: Bytes::from_static(b"t"),
        golden: vec![],
    };
    let names = ("toy".parse().expect("a name"), "t".parse().expect("a name"));
    Repository::create(&models)
        .and_then(|repository| repository.write_version(&names.0, &names.1, &version))
        .expect("written");
    let pixels = (4 * SIDE * SIDE) as usize;
    // The teacher reads a bright picture as bright, at four times the pixels.
    let teacher = Scripted::new(pixels, LABELS.len(), move |input, rows| {
        assert_eq!(input.len(), rows * pixels);
        let class = |row: &[f32]| usize::from(row.iter().sum::<f32>() / pixels as f32 > 0.5) * 2;
        Ok(input
            .chunks_exact(pixels)
            .flat_map(|row| logits(class(row), 9.0))
            .collect())
    });
    let versions = vec![("v1", always(2)), ("t", teacher)];
    let server = TestServer::fleet_in(folder.path(), versions, everything).await;
    for luma in 200..220 {
        let reply = server.predict(crate::toy::gray_png(SIDE, luma)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    server.until(PAIRS, 20.0).await;
    assert_eq!(
        server.metric(&of("agreements_total", "v1", "stable")).await,
        20.0
    );
    let numbers = json!({"instances": [vec![0.5; 16]]}).to_string();
    assert_eq!(server.predict(numbers).await.status, 200);
    server.until(&missed("incomparable"), 1.0).await;
    assert_eq!(server.metric(PAIRS).await, 20.0);
}

/// The report shows the reference's values beside the measured ones: a distribution that moved is an alarm, and the
/// class is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_shift_of_the_predictions_names_its_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    let mut manifest = toy_manifest();
    manifest.reference = Some(stillhouse::store::manifest::Reference {
        samples: 10_000,
        class_ratios: vec![0.8, 0.1, 0.1],
        agreement: Some(0.99),
        kl_mean_nats: Some(0.01),
        kl_clipped_mean_nats: Some(0.01),
        ventiles: [(
            "luma_mean".to_owned(),
            (1..=19).map(|v| f64::from(v) * 10.0).collect(),
        )]
        .into(),
        ..Default::default()
    });
    let version = NewVersion {
        manifest,
        labels: Labels::new(LABELS.map(str::to_owned).to_vec()).expect("labels"),
        model_bytes: Bytes::from_static(b"v1"),
        golden: vec![],
    };
    let names = (
        "toy".parse().expect("a name"),
        "v1".parse().expect("a name"),
    );
    Repository::create(&models)
        .and_then(|repository| repository.write_version(&names.0, &names.1, &version))
        .expect("written");
    let student = by_number(|n| n % 3);
    let versions = vec![("v1", student), ("t", by_number(|n| n % 3))];
    let server = TestServer::fleet_in(folder.path(), versions, |config| {
        everything(config);
        config.drift.answers = 100;
    })
    .await;
    // The window begins with the first look at the seats.
    server
        .admin_view("/drift", |view| !view["roles"][0].is_null())
        .await;
    let first = "stillhouse_detector_log_statistic{metric=\"divergence\",model=\"toy\",role=\"stable\",version=\"v1\"}";
    send(&server, 0..300).await;
    server.until(PAIRS, 300.0).await;
    let drift = server
        .admin_view("/drift", |view| {
            view["roles"][0]["predictions"]["observations"] == 300
        })
        .await;
    let role = &drift["roles"][0];
    let predictions = &role["predictions"];
    assert_eq!(predictions["alarm"], true, "{predictions:#}");
    assert_eq!(predictions["moved"][0]["name"], "dark");
    near(&predictions["moved"][0]["share"], 1.0 / 3.0);
    near(&predictions["moved"][0]["reference_share"], 0.8);
    let kl = predictions["kl_nats"].as_f64().expect("a number");
    assert!(
        kl > predictions["noise_nats"].as_f64().expect("a number"),
        "{predictions}"
    );
    // All pictures are nearly equally dark: the distribution of lumas has shifted as well.
    let luma = &role["inputs"][0];
    assert_eq!(
        (&luma["name"], &luma["alarm"]),
        (&json!("luma_mean"), &json!(true)),
        "{luma:#}"
    );
    // Student and teacher agree: the inputs have changed, the student is fine.
    assert_eq!(role["agreement"]["value"], 1.0);
    assert_eq!(role["detectors"][0]["alarm"], false, "{role:#}");
    // ln 10^6 would be an alarm.
    assert!(server.metric(first).await < 5.0);
    let ratio = "stillhouse_reference_class_ratio{class=\"dark\",model=\"toy\",version=\"v1\"}";
    assert_eq!(server.metric(ratio).await, 0.8);
}

/// After a promotion stable is still watched: a stable version that becomes worse raises the detector's alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_stable_version_that_goes_bad_is_detected() {
    let folder = tempfile::tempdir().expect("a folder");
    let models = folder.path().join("models");
    let mut manifest = toy_manifest();
    manifest.reference = Some(stillhouse::store::manifest::Reference {
        samples: 10_000,
        class_ratios: vec![0.4, 0.3, 0.3],
        agreement: Some(0.99),
        kl_clipped_mean_nats: Some(0.01),
        ..Default::default()
    });
    let version = NewVersion {
        manifest,
        labels: Labels::new(LABELS.map(str::to_owned).to_vec()).expect("labels"),
        model_bytes: Bytes::from_static(b"v1"),
        golden: vec![],
    };
    let names = (
        "toy".parse().expect("a name"),
        "v1".parse().expect("a name"),
    );
    Repository::create(&models)
        .and_then(|repository| repository.write_version(&names.0, &names.1, &version))
        .expect("written");
    // Right for 200 pictures, then wrong on every second one.
    let student = by_number(|n| usize::from(n >= 200 && n % 2 == 0));
    let versions = vec![("v1", student), ("t", always(0))];
    let server = TestServer::fleet_in(folder.path(), versions, everything).await;
    send(&server, 0..200).await;
    server.until(PAIRS, 200.0).await;
    let alarm = |view: &Value| view["roles"][0]["detectors"][0]["alarm"].clone();
    let before = server.admin_view("/drift", |_| true).await;
    assert_eq!(alarm(&before), false);
    send(&server, 200..280).await;
    server.until(PAIRS, 280.0).await;
    let after = server.admin_view("/drift", |_| true).await;
    assert_eq!(alarm(&after), true, "{after:#}");
}

/// When a version is unloaded, its series end, in every role.
#[tokio::test(flavor = "multi_thread")]
async fn series_end_with_their_version() {
    let server = beside_teacher(
        always(0),
        vec![
            ("v1", always(0)),
            ("v2", scripted(|_, rows| Ok(logits(1, 9.0).repeat(rows)))),
        ],
        |config| config.loading.unload_after_seconds = 0,
    )
    .await;
    server
        .order("POST", "canary", json!({"version": "v2", "share": "50%"}))
        .await;
    send(&server, 0..60).await;
    server.until(PAIRS, 60.0).await;
    assert!(server.metrics().await.contains("version=\"v2\""));
    server.order("POST", "abort", json!({})).await;
    let begun = std::time::Instant::now();
    loop {
        let text = server.metrics().await;
        let left: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("version=\"v2\""))
            .collect();
        if left.is_empty() {
            break;
        }
        assert!(begun.elapsed().as_secs() < 60, "{left:#?}");
        tokio::task::yield_now().await;
    }
}
