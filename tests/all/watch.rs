//! Answers compared with the teacher's: pairs, drift, and canaries that are judged by them.

mod approving;
mod callers;
mod detecting;
mod judging;
mod pairs;
mod restarting;
mod trouble;

use serde_json::Value;
use stillhouse::config::Config;
use stillhouse_engine::scripted::Scripted;

use crate::{
    rollout::scripted,
    server::TestServer,
    toy::{LABELS, SIDE, png},
};

/// Every answer is compared, also on a machine that is busy with other tests.
fn everything(config: &mut Config) {
    config.shadow.rate = 1.0;
    config.shadow.gives_way = false;
    config.shadow.budget_per_second = 1e6;
    config.shadow.queue = 4096;
    let toy = config.models.entry("toy".into()).or_default();
    toy.teacher = "t".into();
}

/// The teacher `t`, and the given versions, the first of them stable.
async fn beside_teacher(
    teacher: Scripted,
    students: Vec<(&'static str, Scripted)>,
    configure: impl FnOnce(&mut Config),
) -> TestServer {
    let versions = students.into_iter().chain([("t", teacher)]).collect();
    TestServer::fleet(versions, |config| {
        everything(config);
        configure(config);
    })
    .await
}

/// The nth of many different pictures: no two have the same pixels.
fn picture(n: usize) -> Vec<u8> {
    let pixels: Vec<u8> = (0..SIDE * SIDE)
        .map(|pixel| match pixel {
            0 => 7,
            1 => (n >> 8) as u8,
            2 => n as u8,
            _ => 100,
        })
        .collect();
    png(SIDE, SIDE, png::ColorType::Grayscale, &pixels)
}

/// Sends this many different pictures, all of which must be answered.
async fn send(server: &TestServer, range: std::ops::Range<usize>) {
    for n in range {
        let reply = server.predict(picture(n)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}

/// The trial once it rests on so many pairs.
async fn trial(server: &TestServer, pairs: u64) -> Value {
    let view = server
        .admin_view("/evidence", |view| {
            let metrics = &view["on_trial"]["metrics"];
            metrics[0]["observations"].as_u64() >= Some(pairs)
        })
        .await;
    view["on_trial"].clone()
}

/// The number of the picture that an engine sees in a row.
fn number(row: &[f32]) -> usize {
    let byte = |pixel: f32| (pixel * 255.0).round() as usize;
    byte(row[1]) * 256 + byte(row[2])
}

/// Whether a row is no caller's [`picture`], but one of an examination.
fn is_rehearsal(row: &[f32]) -> bool {
    let is = |pixel: f32, byte: u8| (pixel * 255.0 - f32::from(byte)).abs() < 0.01;
    !(is(row[0], 7) && row[3..].iter().all(|pixel| is(*pixel, 100)))
}

/// An engine that favours a class depending on the number of the picture.
fn by_number(class: impl Fn(usize) -> usize + Send + Sync + 'static) -> Scripted {
    scripted(move |input, rows| {
        let pixels = (SIDE * SIDE) as usize;
        let row = |row: &[f32]| logits(class(number(row)), 9.0);
        assert_eq!(input.len(), rows * pixels);
        Ok(input.chunks_exact(pixels).flat_map(row).collect())
    })
}

/// Logits that favour one class by this much.
fn logits(class: usize, height: f32) -> [f32; LABELS.len()] {
    std::array::from_fn(|other| if other == class { height } else { 0.0 })
}

/// A series of a role that is compared with the teacher.
fn of(name: &str, version: &str, role: &str) -> String {
    format!("stillhouse_{name}{{model=\"toy\",role=\"{role}\",version=\"{version}\"}}")
}

const PAIRS: &str = "stillhouse_shadow_pairs_total{model=\"toy\"}";

fn missed(reason: &str) -> String {
    format!("stillhouse_shadow_dropped_total{{model=\"toy\",reason=\"{reason}\"}}")
}
