//! What the server costs beside its limit: HTTP with PNG decoding alone, and the same engine in process.
//!
//! `cargo bench --bench figures [-- --engine tract] [--seconds 4] [--rounds 3] [--json]`
//!
//! The network is a 784-800-800-10 MLP with random weights, the picture a 28 × 28 PNG. Server, floor and in-process
//! engine are measured in alternation in one run; read the ratios, not the microseconds.

#[path = "figures/floor.rs"]
mod floor;
#[path = "figures/load.rs"]
mod load;
#[path = "figures/network.rs"]
mod network;
#[path = "figures/process.rs"]
mod process;

use std::time::{Duration, Instant};

use clap::Parser;
use cpu_time::ThreadTime;
use serde_json::json;
use stillhouse_engine::{Backend, Blueprint, EngineOptions};

use load::Load;
use process::Server;

const CONNECTIONS: usize = 64;
const FLOOR_BATCH: usize = 32;

#[derive(Parser)]
struct Flags {
    /// `onnxruntime` or `tract`.
    #[arg(long, default_value = "onnxruntime")]
    engine: Backend,
    /// Seconds of each load.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Alternations; medians are reported.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Serve the floor instead: for this program's own use.
    #[arg(long, hide = true)]
    serve_floor: bool,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    if flags.serve_floor {
        return floor::serve();
    }
    let folder = tempfile::tempdir()?;
    let onnx = network::mlp(&[784, 800, 800, 10]);
    network::write(folder.path(), &onnx)?;
    let picture = network::picture();
    let options = EngineOptions {
        library: stillhouse_engine::find_library(None),
        ..EngineOptions::new(flags.engine)
    };
    let blueprint = stillhouse_engine::prepare(&onnx, &options)?;

    let begun = Instant::now();
    let server = Server::start(folder.path(), flags.engine, &[])?;
    let ready = begun.elapsed();
    let idle_rss = server.rss_bytes()?;
    let floor = Server::start_floor()?;

    let load = |server: &Server, path: &str, connections: usize| -> anyhow::Result<Load> {
        let request = load::request(path, &picture);
        let time = Duration::from_secs_f64(flags.seconds);
        load::run(server, &request, connections, time, None, &|_| Ok(()))
    };
    let mut rows = Vec::new();
    for _ in 0..flags.rounds {
        let engine_one = in_process(&*blueprint, 1)?;
        let engine_batch = in_process(&*blueprint, FLOOR_BATCH)?;
        let floor = load(&floor, "/floor", CONNECTIONS)?;
        let busy = load(&server, "/predict", CONNECTIONS)?;
        let idle = load(&server, "/predict", 1)?;
        rows.push([
            floor.cpu_us,
            engine_batch.cpu_us,
            busy.cpu_us,
            busy.cpu_us / (floor.cpu_us + engine_batch.cpu_us),
            busy.per_second,
            busy.p99_us,
            busy.mean_batch,
            engine_one.p50_us,
            idle.p50_us,
            idle.p50_us - engine_one.p50_us,
        ]);
    }
    let busy_rss = server.rss_bytes()?;
    let median = |column: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let figures = json!({
        "engine": blueprint.describe(),
        "connections": CONNECTIONS,
        "floor_cpu_us_per_request": median(0),
        "engine_cpu_us_per_image_at_batch_32": median(1),
        "server_cpu_us_per_request": median(2),
        "server_over_floor_plus_engine": median(3),
        "requests_per_second": median(4),
        "p99_us": median(5),
        "mean_batch": median(6),
        "engine_p50_us_at_batch_1": median(7),
        "idle_p50_us": median(8),
        "idle_added_us": median(9),
        "ready_ms": ready.as_secs_f64() * 1e3,
        "rss_mb_idle": idle_rss as f64 / 1e6,
        "rss_mb_after_load": busy_rss as f64 / 1e6,
    });
    if flags.json {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().into_iter().flatten() {
            match value.as_f64() {
                Some(number) => println!("{name:34} {number:10.2}"),
                None => println!("{name:34} {value}"),
            }
        }
    }
    Ok(())
}

/// What an image costs this engine alone on this thread.
struct Alone {
    /// Mean CPU microseconds, as the servers' are.
    cpu_us: f64,
    /// Median wall-clock microseconds.
    p50_us: f64,
}

/// Runs batches of `rows` for half a second, after a tenth to warm.
fn in_process(blueprint: &dyn Blueprint, rows: usize) -> anyhow::Result<Alone> {
    let mut engine = blueprint.build(rows)?;
    let mut measure = |time: Duration| -> anyhow::Result<Alone> {
        let (begun, cpu) = (Instant::now(), ThreadTime::now());
        let mut runs = Vec::new();
        while begun.elapsed() < time {
            engine.input(rows).fill(0.3);
            let started = Instant::now();
            engine.run(rows)?;
            runs.push(started.elapsed());
        }
        let cpu = cpu.elapsed();
        runs.sort_unstable();
        let images = (rows * runs.len()) as f64;
        Ok(Alone {
            cpu_us: cpu.as_secs_f64() * 1e6 / images,
            p50_us: runs[runs.len() / 2].as_secs_f64() * 1e6 / rows as f64,
        })
    };
    measure(Duration::from_millis(100))?;
    measure(Duration::from_millis(500))
}
