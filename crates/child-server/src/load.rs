//! A closed-loop load generator over kept-alive connections. It runs on one thread, to take as little as possible from the
//! server beside it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Server;

/// Results of one load.
#[derive(Clone, Debug)]
pub struct Load {
    /// Answers per second.
    pub per_second: f64,
    /// The server's CPU time, user and system, per request.
    pub cpu_us: f64,
    /// The part of it in the kernel.
    pub system_us: f64,
    /// `cpu_us` by the names of the server's threads.
    pub cpu_us_by_thread: BTreeMap<String, f64>,
    /// Voluntary context switches of the server's threads, per request.
    pub sleeps: f64,
    /// Median latency in µs.
    pub p50_us: f64,
    /// 99th percentile of latency in µs.
    pub p99_us: f64,
    /// Mean batch size in rows, from the server's own metrics; NaN if it has no admin plane.
    pub mean_batch: f64,
}

/// The bytes of one HTTP/1.1 request.
pub fn request(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Checks an answer's body; the first error ends the load.
pub type Check<'a> = &'a dyn Fn(&[u8]) -> anyhow::Result<()>;

/// Requests per second over all connections; `None` sends the next one as soon as an answer has come.
pub type Pace = Option<f64>;

/// Warms up for a quarter of `time`, then measures for `time`. With a pace, latency counts from when a request was due, so that
/// a stalled server isn't flattered by requests that were sent late.
///
/// # Errors
/// The server closes a connection or answers with another status than 200, or `check` fails.
pub fn run(
    server: &Server,
    request: &[u8],
    connections: usize,
    time: Duration,
    pace: Pace,
    check: Check,
) -> anyhow::Result<Load> {
    let interval = pace.map(|per_second| Duration::from_secs_f64(connections as f64 / per_second));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            repeat(server, request, connections, time / 4, interval, check).await?;
            let (batches, before) = (server.batches()?, server.cpu_time()?);
            let begun = Instant::now();
            let mut latencies = repeat(server, request, connections, time, interval, check).await?;
            let wall = begun.elapsed().as_secs_f64();
            let spent = server.cpu_time()?.since(&before);
            let after = server.batches()?;
            ensure!(!latencies.is_empty(), "nothing was answered in {time:?}");
            let requests = latencies.len() as f64;
            let each = |seconds: f64| seconds * 1e6 / requests;
            latencies.sort_unstable();
            let at = |share: f64| {
                let index = (latencies.len() as f64 * share) as usize;
                latencies[index.min(latencies.len() - 1)].as_secs_f64() * 1e6
            };
            Ok(Load {
                per_second: latencies.len() as f64 / wall,
                cpu_us: each(spent.seconds()),
                system_us: each(spent.system_seconds),
                sleeps: spent.sleeps as f64 / latencies.len() as f64,
                cpu_us_by_thread: spent
                    .by_thread
                    .iter()
                    .map(|(name, seconds)| (name.clone(), each(*seconds)))
                    .collect(),
                p50_us: at(0.5),
                p99_us: at(0.99),
                mean_batch: (after.0 - batches.0) / (after.1 - batches.1),
            })
        })
}

async fn repeat(
    server: &Server,
    request: &[u8],
    connections: usize,
    time: Duration,
    interval: Option<Duration>,
    check: Check<'_>,
) -> anyhow::Result<Vec<Duration>> {
    let begin = Instant::now();
    let end = begin + time;
    let loops = (0..connections).map(|index| {
        // Evenly spread, or all would send at once.
        let first = interval.map_or(begin, |interval| {
            begin + interval * index as u32 / connections as u32
        });
        connection(server, request, first, end, interval, check)
    });
    let all = futures_util::future::try_join_all(loops).await?;
    Ok(all.concat())
}

async fn connection(
    server: &Server,
    request: &[u8],
    mut due: Instant,
    end: Instant,
    interval: Option<Duration>,
    check: Check<'_>,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut answer = vec![0; 16 * 1024];
    while Instant::now() < end {
        let started = match interval {
            None => Instant::now(),
            Some(interval) => {
                tokio::time::sleep_until(due.into()).await;
                let started = due;
                due += interval;
                started
            }
        };
        stream.write_all(request).await?;
        let mut filled = 0;
        let body = loop {
            if let Some(body) = body(&answer[..filled])? {
                break body;
            }
            let read = stream.read(&mut answer[filled..]).await?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
        };
        latencies.push(started.elapsed());
        check(body)?;
    }
    Ok(latencies)
}

/// The body of an answer, once it is complete.
fn body(answer: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&answer[..head])?;
    ensure!(text.starts_with("HTTP/1.1 200"), "{text}");
    let length: usize = text
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .and_then(|value| value.parse().ok())
        })
        .context("a Content-Length")?;
    Ok(answer.get(head + 4..head + 4 + length))
}
