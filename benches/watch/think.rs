//! One caller who waits between two requests: on a machine that is nearly idle nothing is late, and no timer's
//! resolution is part of the measurement.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::ensure;

/// Median and 99th percentile of the latency, in microseconds, and the throughput.
pub(crate) struct LoadResult {
    pub p50_us: f64,
    pub p99_us: f64,
    pub per_second: f64,
}

/// Sends the same request repeatedly for this long.
pub(crate) fn run(
    address: std::net::SocketAddr,
    request: &[u8],
    pause: Duration,
    time: Duration,
) -> anyhow::Result<LoadResult> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answer = [0; 16 * 1024];
    let mut took = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        let sent = Instant::now();
        stream.write_all(request)?;
        // An answer of a few hundred bytes comes in one piece.
        let read = stream.read(&mut answer)?;
        took.push(sent.elapsed().as_secs_f64() * 1e6);
        ensure!(
            answer[..read].starts_with(b"HTTP/1.1 200") && answer[..read].ends_with(b"}"),
            "{}",
            String::from_utf8_lossy(&answer[..read])
        );
        std::thread::sleep(pause);
    }
    let per_second = took.len() as f64 / begun.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    Ok(LoadResult {
        p50_us: at(0.5),
        p99_us: at(0.99),
        per_second,
    })
}
