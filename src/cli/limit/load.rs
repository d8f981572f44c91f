//! A closed loop over kept connections, on one thread: as cheap as a generator beside its server can be.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::cli::child::Server;

/// What one load showed.
#[derive(Clone, Debug)]
pub struct Load {
    /// Answers a second.
    pub per_second: f64,
    /// The server's CPU time, user and system, per request.
    pub cpu_us: f64,
    /// The part of it in the kernel.
    pub system_us: f64,
    /// It by the names of the server's threads.
    pub cpu_us_by_thread: BTreeMap<String, f64>,
    /// How often one of the server's threads went to sleep, per request.
    pub sleeps: f64,
    /// Half of the answers took no longer.
    pub p50_us: f64,
    /// Of a hundred answers one took longer.
    pub p99_us: f64,
    /// From the server's own metrics; NaN where it has none.
    pub mean_batch: f64,
}

/// One request's bytes.
pub fn request(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Whether an answer's body is right; the first that isn't ends the load.
pub type Check<'a> = &'a dyn Fn(&[u8]) -> anyhow::Result<()>;

/// Requests a second over all connections; none is as many as are answered.
pub type Pace = Option<f64>;

/// Warms for a quarter of `time`, then measures for `time`. With a pace, latency counts from when a request was due, so that
/// a server that stands still can't hide behind requests that were never sent.
///
/// # Errors
/// The server closes a connection, answers anything but 200, or what `check` refuses.
pub fn run(
    server: &Server,
    request: &[u8],
    connections: usize,
    time: Duration,
    pace: Pace,
    check: Check,
) -> anyhow::Result<Load> {
    let gap = pace.map(|per_second| Duration::from_secs_f64(connections as f64 / per_second));
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            repeat(server, request, connections, time / 4, gap, check).await?;
            let (batches, before) = (server.batches()?, server.spent()?);
            let begun = Instant::now();
            let mut latencies = repeat(server, request, connections, time, gap, check).await?;
            let wall = begun.elapsed().as_secs_f64();
            let spent = server.spent()?.since(&before);
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
    gap: Option<Duration>,
    check: Check<'_>,
) -> anyhow::Result<Vec<Duration>> {
    let begin = Instant::now();
    let end = begin + time;
    let loops = (0..connections).map(|index| {
        // Evenly spread, or all would ask at once.
        let first = gap.map_or(begin, |gap| begin + gap * index as u32 / connections as u32);
        connection(server, request, first, end, gap, check)
    });
    let all = futures_util::future::try_join_all(loops).await?;
    Ok(all.concat())
}

async fn connection(
    server: &Server,
    request: &[u8],
    mut due: Instant,
    end: Instant,
    gap: Option<Duration>,
    check: Check<'_>,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut answer = vec![0; 16 * 1024];
    while Instant::now() < end {
        let started = match gap {
            None => Instant::now(),
            Some(gap) => {
                tokio::time::sleep_until(due.into()).await;
                let started = due;
                due += gap;
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

/// The body of an answer that has come whole.
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
