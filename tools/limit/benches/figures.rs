//! `stillhouse-limit` of a 784-800-800-10 MLP with random weights and a 28 × 28 PNG, and the latency of a single caller.
//!
//! `cargo bench -p stillhouse-limit --features turbojpeg [-- --engine tract] [--seconds 4] [--rounds 3] [--connections 64] [--json]`
//!
//! Everything alternates in one run; read the ratios, not the microseconds.

#[path = "figures/network.rs"]
mod network;
#[path = "../../../benches/path/network.rs"]
mod version;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::json;
use stillhouse::config::Config;
use stillhouse_child_server::load::{self, Load};
use stillhouse_engine::{Backend, Blueprint, EngineError};
use stillhouse_limit::{
    report_of, rounds::Extent, servers::MeasuredServers, subject::Subject, waterfall::median,
};

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
    /// Kept connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let onnx = network::mlp(&[784, 800, 800, 10]);
    let subject = Subject {
        files: version::files(&onnx, ["input", "logits"])?,
        picture: network::picture().into(),
        picture_origin: "drawn".into(),
    };
    let mut config = Config::default();
    config.engine.backend = flags.engine.to_string();
    let blueprint = stillhouse_engine::prepare(&onnx, &config.engine.resolve()?)?;

    let program = Path::new(env!("CARGO_BIN_EXE_stillhouse-limit"));
    let servers = MeasuredServers::start(program, &config, &subject)?;
    let idle_rss = servers.server.rss_bytes()?;
    let time = Duration::from_secs_f64(flags.seconds);
    let extent = Extent {
        connections: flags.connections,
        time,
        rounds: flags.rounds,
    };
    let report = report_of(&servers, &config, &subject, &extent)?;
    let request = load::request("/predict", "image/png", &subject.picture);
    let lone = || -> anyhow::Result<(f64, Load)> {
        let engine = engine_p50_us(&*blueprint)?;
        let load = load::run(&servers.server, &request, 1, time, None, &|_| Ok(()))?;
        Ok((engine, load))
    };
    let lone = (0..flags.rounds).map(|_| lone());
    let lone: Vec<(f64, Load)> = lone.collect::<anyhow::Result<_>>()?;
    let figures = json!({
        "engine_p50_us_at_batch_1": median(lone.iter().map(|(engine, _)| *engine)),
        "idle_p50_us": median(lone.iter().map(|(_, load)| load.p50_us)),
        "idle_added_us": median(lone.iter().map(|(engine, load)| load.p50_us - engine)),
        "ready_ms": servers.ready.as_secs_f64() * 1e3,
        "rss_mb_idle": idle_rss as f64 / 1e6,
        "rss_mb_after_load": servers.server.rss_bytes()? as f64 / 1e6,
    });
    if flags.json {
        println!("{}", json!({ "limit": report, "lone_caller": figures }));
    } else {
        println!("{report}");
        for (name, value) in figures.as_object().into_iter().flatten() {
            println!("{name:26} {:10.2}", value.as_f64().unwrap_or(f64::NAN));
        }
    }
    Ok(())
}

/// Median wall-clock of one row in half a second, after a tenth to warm.
fn engine_p50_us(blueprint: &dyn Blueprint) -> Result<f64, EngineError> {
    let mut engine = blueprint.build(1)?;
    let mut measure = |time: Duration| -> Result<f64, EngineError> {
        let begun = Instant::now();
        let mut runs = Vec::new();
        while begun.elapsed() < time {
            engine.input(1).fill(0.3);
            let started = Instant::now();
            engine.run(1)?;
            runs.push(started.elapsed().as_secs_f64() * 1e6);
        }
        Ok(median(runs))
    };
    measure(Duration::from_millis(100))?;
    measure(Duration::from_millis(500))
}
