//! What watching costs: one pair, `/metrics`, and its effect on the answers.
//!
//! `cargo bench --bench watch [-- --engine tract] [--seconds 4] [--rounds 5] [--json]`
//!
//! Two real servers with models/fashion and its teacher: one compares nothing, one compares every answer, without a
//! budget and without a cool-down, so that the only picture sent counts every time. Both get the same requests in
//! turns: from one caller who waits four milliseconds in between, so that every answer can be compared (spare); over 32
//! connections three tenths of what the servers can answer, where the teacher would need more than the remaining
//! capacity (crowded, with latency counted from when a request was due); and as much as they answer (full). Read the
//! ratios.

#[path = "watch/pair.rs"]
mod pair;
#[path = "swaps/process.rs"]
mod process;
#[path = "watch/think.rs"]
mod think;

use std::{path::Path, time::Duration};

use anyhow::Context;
use clap::Parser;
use serde_json::json;
use stillhouse_child_server::load::{self, Load};
use stillhouse_engine::Backend;

use pair::Counting;
use process::Server;
use think::LoadResult;

#[global_allocator]
static COUNTING: Counting = Counting;

const CONNECTIONS: usize = 32;
/// Leaves time for the teacher, which takes about a millisecond.
const THINKING: Duration = Duration::from_millis(4);
/// Fraction of the highest load that the server answers.
const CROWDED: f64 = 0.3;

#[derive(Parser)]
struct Flags {
    /// `onnxruntime` or `tract`.
    #[arg(long, default_value = "onnxruntime")]
    engine: Backend,
    /// Seconds of each load.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Alternations; medians are reported.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

struct Watched {
    server: Server,
    _state: tempfile::TempDir,
}

fn start(repository: &Path, engine: Backend, rate: &str) -> anyhow::Result<Watched> {
    let state = tempfile::tempdir()?;
    let state_path = format!("control.state_path={}", state.path().display());
    let rate = format!("models.fashion.shadow.rate={rate}");
    let settings = [
        "models.fashion.stable=s1",
        "models.fashion.teacher=teacher-1",
        "models.fashion.shadow.budget_per_second=1000000.0",
        "models.fashion.shadow.cooldown_seconds=0",
        &rate,
        &state_path,
    ];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    Ok(Watched {
        server: process::start(repository, engine, &settings)?,
        _state: state,
    })
}

/// Pairs so far.
fn pairs(server: &Server) -> anyhow::Result<f64> {
    let admin = server.admin.context("an admin listener")?;
    let text = ureq::get(format!("http://{admin}/metrics"))
        .call()?
        .body_mut()
        .read_to_string()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("stillhouse_shadow_pairs_total{model=\"fashion\"} "));
    Ok(line.context("shadow_pairs_total")?.parse()?)
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let few = pair::cost(10);
    let many = pair::cost(1000);
    let (render_ms, render_bytes) = pair::render();

    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let picture = std::fs::read(repository.join("../samples/fashion/ankle-boot-1.png"))?;
    let request = load::request("/predict", "image/png", &picture);
    let time = Duration::from_secs_f64(flags.seconds);
    let [without, with] = ["0.0", "1.0"].map(|rate| start(&repository, flags.engine, rate));
    let (without, with) = (without?, with?);
    let measure = |watched: &Watched, pace| -> anyhow::Result<(Load, f64)> {
        let before = pairs(&watched.server)?;
        let load = load::run(&watched.server, &request, CONNECTIONS, time, pace, &|_| {
            Ok(())
        })?;
        // The load warms up for a quarter of the time.
        let per_second = (pairs(&watched.server)? - before) / (time.as_secs_f64() * 1.25);
        Ok((load, per_second))
    };
    let full = measure(&without, None)?.0.per_second;
    let think = |watched: &Watched| -> anyhow::Result<(LoadResult, f64)> {
        let before = pairs(&watched.server)?;
        let answered = think::run(watched.server.address, &request, THINKING, time)?;
        let pairs = pairs(&watched.server)? - before;
        Ok((answered, pairs / time.as_secs_f64()))
    };
    let (mut spare, mut crowded, mut filled) = (vec![], vec![], vec![]);
    for _ in 0..flags.rounds {
        spare.push((think(&without)?, think(&with)?));
        let pace = Some(full * CROWDED);
        crowded.push((measure(&without, pace)?, measure(&with, pace)?));
        filled.push((measure(&without, None)?, measure(&with, None)?));
    }
    let spare = json!({
        "per_second": median(&spare, |(without, _)| without.0.per_second),
        "pairs_per_second": median(&spare, |(_, with)| with.1),
        "p50_us_without": median(&spare, |(without, _)| without.0.p50_us),
        "p99_us_without": median(&spare, |(without, _)| without.0.p99_us),
        "p50_with_over_without": median(&spare, |(without, with)| with.0.p50_us / without.0.p50_us),
        "p99_with_over_without": median(&spare, |(without, with)| with.0.p99_us / without.0.p99_us),
    });
    let figures = json!({
        "pair_us_10_classes": few.microseconds,
        "pair_us_1000_classes": many.microseconds,
        "allocations_per_pair": few.allocations.max(many.allocations),
        "metrics_ms_3_versions_1000_classes": render_ms,
        "metrics_bytes": render_bytes,
        "spare": spare,
        "crowded": regime(&crowded),
        "full": regime(&filled),
    });
    if flags.json {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().into_iter().flatten() {
            match value.as_object() {
                None => println!("{name:36} {value}"),
                Some(regime) => {
                    println!("{name}");
                    for (name, value) in regime {
                        println!("  {name:34} {value}");
                    }
                }
            }
        }
    }
    Ok(())
}

type Both = ((Load, f64), (Load, f64));

/// Both servers under the same load.
fn regime(rounds: &[Both]) -> serde_json::Value {
    json!({
        "per_second": median(rounds, |(without, _)| without.0.per_second),
        "pairs_per_second": median(rounds, |(_, with)| with.1),
        "p50_us_without": median(rounds, |(without, _)| without.0.p50_us),
        "p99_us_without": median(rounds, |(without, _)| without.0.p99_us),
        "per_second_with_over_without": median(rounds, |(without, with)| with.0.per_second / without.0.per_second),
        "p50_with_over_without": median(rounds, |(without, with)| with.0.p50_us / without.0.p50_us),
        "p99_with_over_without": median(rounds, |(without, with)| with.0.p99_us / without.0.p99_us),
    })
}

fn median<T>(rounds: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
