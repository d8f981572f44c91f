//! The shipped canaries, judged against the shipped teacher without an operator: the good one is promoted, each bad one
//! is removed.

use std::{fs, io::Cursor, path::Path};

use serde_json::{Value, json};
use stillhouse::{config::Config, rollout::Share};

use crate::{server::TestServer, toy::png};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const SIDE: usize = 28;

/// Many pictures of the dozen samples: moved by up to three pixels, mirrored, darker and brighter. No two are equal.
fn pictures() -> Vec<Vec<u8>> {
    let mut samples: Vec<_> = fs::read_dir(root().join("samples/fashion"))
        .expect("samples")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "png"))
        .collect();
    samples.sort();
    let samples: Vec<Vec<u8>> = samples.iter().map(|path| pixels(path)).collect();
    let mut all = Vec::new();
    for (brightness, mirrored) in [
        (1.0, false),
        (1.0, true),
        (0.8, false),
        (0.9, true),
        (1.1, false),
    ] {
        for place in 0..49 {
            let moved = [place % 7 - 3, place / 7 - 3];
            let variant = |sample: &Vec<u8>| variant(sample, moved, mirrored, brightness);
            all.extend(samples.iter().map(variant));
        }
    }
    all
}

fn pixels(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("readable");
    let mut reader = png::Decoder::new(Cursor::new(bytes))
        .read_info()
        .expect("a PNG");
    let mut pixels = vec![0; SIDE * SIDE];
    reader.next_frame(&mut pixels).expect("28 x 28 in gray");
    pixels
}

fn variant(sample: &[u8], [right, down]: [i32; 2], mirrored: bool, brightness: f32) -> Vec<u8> {
    let side = SIDE as i32;
    let pixel = |place: usize| {
        let (x, y) = ((place % SIDE) as i32 - right, (place / SIDE) as i32 - down);
        let x = if mirrored { side - 1 - x } else { x };
        match (0..side).contains(&x) && (0..side).contains(&y) {
            true => (f32::from(sample[(y * side + x) as usize]) * brightness).min(255.0) as u8,
            false => 0,
        }
    };
    let pixels: Vec<u8> = (0..SIDE * SIDE).map(pixel).collect();
    png(SIDE as u32, SIDE as u32, png::ColorType::Grayscale, &pixels)
}

async fn server(configure: impl FnOnce(&mut Config)) -> TestServer {
    let mut config = Config::default();
    config.repository.path = root().join("models");
    config.loading.child_process = false;
    let fashion = config.models.entry("fashion".into()).or_default();
    (fashion.stable, fashion.teacher) = ("s1".into(), "teacher-1".into());
    config.shadow.rate = 1.0;
    config.shadow.budget_per_second = 1e6;
    config.shadow.gives_way = false;
    config.shadow.queue = 4096;
    config.judge.soak_seconds = 0;
    config.judge.minimum_age_seconds = 0;
    config.judge.step_pairs = 50;
    configure(&mut config);
    TestServer::of(config).await
}

async fn operators(server: &TestServer, method: &str, path: &str, body: Value) -> Value {
    let path = format!("/admin/models/fashion{path}");
    let reply = server.admin(method, &path, &[], body).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json()
}

/// Starts a canary and sends pictures until it has been decided; returns the last evidence.
async fn trial(server: &TestServer, version: &str) -> Value {
    let order = json!({"version": version, "plan": "automatic"});
    operators(server, "POST", "/canary?force=true", order).await;
    let pictures = pictures();
    let begun = std::time::Instant::now();
    let mut sent = 0;
    loop {
        for picture in pictures.iter().cycle().skip(sent % pictures.len()).take(50) {
            let path = "/models/fashion/predict";
            let reply = server.post(path, picture.clone(), &[]).await;
            assert_eq!(reply.status, 200, "{}", reply.text);
        }
        sent += 50;
        let evidence = operators(server, "GET", "/evidence", Value::Null).await;
        if evidence["on_trial"].is_null() && evidence["last"]["trial"]["canary"] == version {
            println!(
                "{version}: {} after {sent} answers, {:.1} s",
                evidence["last"]["ending"],
                begun.elapsed().as_secs_f64()
            );
            return evidence["last"].clone();
        }
        assert!(
            begun.elapsed().as_secs() < 120,
            "after {sent}: {evidence:#}"
        );
    }
}

fn reasons(last: &Value) -> String {
    last["trial"]["reasons"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_canary_is_removed_for_its_own_fault() {
    let server = server(|_| {}).await;
    let blind = trial(&server, "bad-blind").await;
    assert_eq!(blind["ending"], "taken out");
    assert!(
        reasons(&blind).contains("worse than the margin allows"),
        "{blind:#}"
    );

    // Its labels are the same as stable's: agreement alone would have let it pass.
    let sure = trial(&server, "bad-overconfident").await;
    assert_eq!(sure["ending"], "taken out");
    assert!(reasons(&sure).contains("divergence"), "{sure:#}");
    assert!(!reasons(&sure).contains("disagreement"), "{sure:#}");

    let nan = trial(&server, "bad-nan").await;
    assert_eq!(nan["ending"], "taken out");
    assert!(reasons(&nan).contains("weren't finite"), "{nan:#}");
    let view = operators(&server, "GET", "", Value::Null).await;
    assert_eq!(view["stable"], "s1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_canary_is_promoted() {
    let server = server(|config| {
        config.judge.ramp = [0, 2500, 10_000]
            .map(|points| Share::new(points).expect("a share"))
            .to_vec();
        // s2 is twice the size of s1. On a machine that runs other tests, late answers come from those rather than from
        // s2.
        config.judge.error_margin_ratio = 100.0;
        config.judge.latency_margin_ratio = 100.0;
    })
    .await;
    let good = trial(&server, "s2").await;
    assert_eq!(good["ending"], "promoted", "{good:#}");
    for metric in good["trial"]["metrics"]
        .as_array()
        .expect("metrics")
        .iter()
        .take(2)
    {
        let (log_e, needed) = (
            &metric["promotion"]["log_e"],
            &metric["promotion"]["needed_log_e"],
        );
        assert!(log_e.as_f64() >= needed.as_f64(), "{metric:#}");
    }
    let view = operators(&server, "GET", "", Value::Null).await;
    assert_eq!(
        (&view["stable"], &view["previous"]),
        (&json!("s2"), &json!("s1"))
    );
}
