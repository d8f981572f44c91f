//! What a change of the deployment costs the requests in progress.
//!
//! `cargo bench --bench swaps [-- --engine tract] [--seconds 3] [--rounds 7] [--json]`
//!
//! The real binary serves models/fashion to 64 connections from this process. First at full load, during about 100
//! rollbacks back and forth and with other clients that disconnect: every body is compared with the answers of the
//! version that it names. Then at 40 % of that load, with latency counted from when a request was due: without changes,
//! with the same rollbacks, and while versions are loaded (first in a child process, then examined and warmed up here)
//! and unloaded: two take turns, so that one is being loaded at every moment. The three alternate in one run; read the
//! ratios, and the spread of the rounds, which shows how quiet the machine was. Then memory over rounds of load, swap
//! and unload, and the cost of a route.

#[path = "swaps/expected.rs"]
mod expected;
#[path = "path/network.rs"]
mod network;
#[path = "swaps/operator.rs"]
mod operator;
#[path = "swaps/process.rs"]
mod process;
#[path = "swaps/route.rs"]
mod route;
#[path = "path/slot.rs"]
mod slot;
#[path = "swaps/workers.rs"]
mod workers;

use std::{
    io::Write,
    net::TcpStream,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::json;
use stillhouse_child_server::load::{self, Load};
use stillhouse_engine::Backend;

use expected::Expected;
use operator::Operator;
use process::Server;

const CONNECTIONS: usize = 64;
/// Fraction of the highest load that the server answers.
const PACE: f64 = 0.4;
/// Rollbacks during one load.
const SWAPS: usize = 100;
const LOADS: usize = 100;
/// Of the same architecture as the version that answers.
const LOADED: [&str; 2] = ["bad-overconfident", "bad-nan"];
/// The round after which memory is first measured.
const FIRST_LOADS: usize = 5;

#[derive(Parser)]
struct Flags {
    /// `onnxruntime` or `tract`.
    #[arg(long, default_value = "onnxruntime")]
    engine: Backend,
    /// Seconds of each load.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Alternations; medians are reported.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let state = tempfile::tempdir()?;
    let state_path = format!("control.state_path={}", state.path().display());
    let settings = [
        "models.fashion.stable=s1",
        "models.fashion.routing.role_header=true",
        "loading.unload_after_seconds=0",
        &state_path,
    ];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    let server = process::start(&repository, flags.engine, &settings)?;
    let operator = Operator::of(&server)?;
    let picture = std::fs::read(
        repository
            .join("fashion/s1/golden")
            .join(expected::sample(&repository)?),
    )?;
    let time = Duration::from_secs_f64(flags.seconds);

    // Of the same architecture as s1, so that only the swap matters and not the swapped version.
    operator.order(
        "POST",
        "canary",
        json!({"version": "bad-blind", "share": 0}),
    )?;
    let expected = Expected::of(&server, &picture)?;
    operator.order("POST", "promote", json!({}))?;

    let request = load::request("/predict", "image/png", &picture);
    let measure = |pace| {
        load::run(&server, &request, CONNECTIONS, time, pace, &|body| {
            expected.check(body)
        })
    };
    let pause = time / SWAPS as u32;
    let swap = || {
        operator.order("POST", "rollback", json!({}))?;
        thread::sleep(pause);
        Ok(())
    };
    let load_seconds = Mutex::new(Vec::new());
    let load_two = || {
        for version in LOADED {
            // It has been unloaded long ago, as the other one was loaded meanwhile.
            workers::wait_for_the_last(server.id(), version)?;
            let begun = Instant::now();
            operator.load(version)?;
            let took = begun.elapsed().as_secs_f64();
            load_seconds.lock().expect("no panic").push(took);
        }
        Ok(())
    };
    let nothing = || {
        thread::sleep(pause);
        Ok(())
    };

    // At full load: lost or wrong answers would show here.
    let full = measure(None)?;
    let (swaps, hangups, _) = beside(swap, || hang_up(&server, &request), &|| measure(None))?;
    // When every core is busy, a queue that drains beside its successor adds to the latency of both: the cost of a swap
    // itself is visible only with free capacity.
    let pace = Some(full.per_second * PACE);
    let mut paced_swaps = 0;
    let mut rows = Vec::new();
    for _ in 0..flags.rounds {
        let calm = measure(pace)?;
        let (swapped, _, swapping) = beside(swap, nothing, &|| measure(pace))?;
        let (_, _, loading) = beside(load_two, nothing, &|| measure(pace))?;
        paced_swaps += swapped;
        rows.push([calm, swapping, loading]);
    }
    let over = |of: &dyn Fn(&[Load; 3]) -> f64| sorted(rows.iter().map(of).collect());
    let swapping = over(&|[calm, swapping, _]| swapping.p99_us / calm.p99_us);
    let loading = over(&|[calm, _, loading]| loading.p99_us / calm.p99_us);
    let load_seconds = sorted(load_seconds.into_inner()?);

    let mut rss = [0, 0];
    for round in 1..=LOADS {
        let version = LOADED[0];
        operator.load(version)?;
        let canary = json!({"version": version, "share": "10%"});
        operator.order("POST", "canary", canary)?;
        operator.order("POST", "abort", json!({}))?;
        workers::wait_for_the_last(server.id(), version)?;
        match round {
            FIRST_LOADS => rss[0] = server.rss_bytes()?,
            LOADS => rss[1] = server.rss_bytes()?,
            _ => {}
        }
    }
    let figures = json!({
        "connections": CONNECTIONS,
        "answers": expected.answers.get(),
        "answers_wrong_or_failed": 0,
        "requests_per_second_full": full.per_second,
        "cpu_us_per_request_full": full.cpu_us,
        "mean_batch_full": full.mean_batch,
        "swaps_under_full_load": swaps,
        "clients_that_hung_up_under_full_load": hangups,
        "requests_per_second_paced": median(&over(&|[calm, ..]| calm.per_second)),
        "swaps_paced": paced_swaps,
        "loads_paced": load_seconds.len(),
        "load_seconds_paced": median(&load_seconds),
        "p50_us_calm": median(&over(&|[calm, ..]| calm.p50_us)),
        "p99_us_calm": median(&over(&|[calm, ..]| calm.p99_us)),
        "p99_swapping_over_calm": median(&swapping),
        "p99_swapping_over_calm_rounds": swapping,
        "p99_loading_over_calm": median(&loading),
        "p99_loading_over_calm_rounds": loading,
        "rss_mb_after_5_loads": rss[0] as f64 / 1e6,
        "rss_mb_after_100_loads": rss[1] as f64 / 1e6,
        "rss_100_over_5": rss[1] as f64 / rss[0] as f64,
        "slot_load_and_route_ns": route::nanoseconds()?,
    });
    if flags.json {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().into_iter().flatten() {
            println!("{name:34} {value}");
        }
    }
    Ok(())
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Of sorted values.
fn median(values: &[f64]) -> f64 {
    values[values.len() / 2]
}

/// Measures while one thread repeats `first` and another `second`; returns how often each was done, and the load.
fn beside(
    first: impl Fn() -> anyhow::Result<()> + Sync,
    second: impl Fn() -> anyhow::Result<()> + Sync,
    measure: &dyn Fn() -> anyhow::Result<Load>,
) -> anyhow::Result<(usize, usize, Load)> {
    let stop = AtomicBool::new(false);
    let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let repeat = |work: &(dyn Fn() -> anyhow::Result<()> + Sync), count: &AtomicUsize| {
        while !stop.load(Relaxed) {
            work()?;
            count.fetch_add(1, Relaxed);
        }
        anyhow::Ok(())
    };
    let load = thread::scope(|scope| {
        let repeating = [
            scope.spawn(|| repeat(&first, &counts[0])),
            scope.spawn(|| repeat(&second, &counts[1])),
        ];
        let load = measure();
        stop.store(true, Relaxed);
        for thread in repeating {
            thread.join().expect("no panic")?;
        }
        load
    })?;
    Ok((counts[0].load(Relaxed), counts[1].load(Relaxed), load))
}

/// A client that sends a request and doesn't wait for the answer.
fn hang_up(server: &Server, request: &[u8]) -> anyhow::Result<()> {
    TcpStream::connect(server.address)?.write_all(request)?;
    thread::sleep(Duration::from_millis(5));
    Ok(())
}
