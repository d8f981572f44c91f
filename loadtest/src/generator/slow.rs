//! Clients on bad lines: they send their request a few bytes at a time, beside the load that is measured.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

use super::Job;
use crate::{client::plain_request, clock::Clock};

/// Bytes come in pieces of this time.
const PIECE: Duration = Duration::from_millis(100);

/// What they do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlowClients {
    /// So many at a time; each begins anew when it is done or cut off.
    pub connections: usize,
    /// What they are slow with.
    pub part: Part,
    pub bytes_per_second: f64,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The head never ends at once: what a slow-loris attack does.
    Head,
    /// The head comes whole, the body doesn't.
    Body,
}

/// How it ended for them, in words, and how often.
#[derive(Clone, Debug, Default)]
pub struct SlowTally(pub BTreeMap<String, u64>);

/// All of them, until the run's end.
pub async fn run(slow: &SlowClients, job: &Job, clock: Clock, duration: Duration) -> SlowTally {
    let end = Instant::from_std(clock.instant(duration.as_nanos() as u64));
    let clients = (0..slow.connections).map(|number| async move {
        let picture = &job.pictures[number % job.pictures.len()];
        let request = plain_request(&job.target, picture);
        let mut ends = Vec::new();
        while Instant::now() < end {
            let one = client(slow, job, &request, picture.bytes.len());
            match timeout_at(end, one).await {
                Ok(ended) => ends.push(ended),
                Err(_) => ends.push("still at it at the end".to_owned()),
            }
        }
        ends
    });
    let mut tally = SlowTally::default();
    for ended in join_all(clients).await.into_iter().flatten() {
        *tally.0.entry(ended).or_default() += 1;
    }
    tally
}

/// One request of one client; how it ended.
async fn client(slow: &SlowClients, job: &Job, request: &[u8], body_len: usize) -> String {
    let Ok(mut stream) = TcpStream::connect(job.target.address).await else {
        sleep(PIECE).await;
        return "can't connect".into();
    };
    let at_once = match slow.part {
        Part::Head => 0,
        Part::Body => request.len() - body_len,
    };
    let (read, write) = stream.split();
    let sending = send(write, request, at_once, slow.bytes_per_second);
    let answering = status(read);
    tokio::pin!(sending, answering);
    // The server may answer before all is sent: that it had enough of waiting.
    tokio::select! {
        ended = &mut answering => format!("{ended} before all was sent"),
        sent = &mut sending => match sent {
            Err(_) => format!("{} before all was sent", answering.await),
            Ok(()) => answering.await,
        },
    }
}

async fn send(
    mut write: impl AsyncWriteExt + Unpin,
    request: &[u8],
    at_once: usize,
    bytes_per_second: f64,
) -> std::io::Result<()> {
    let (first, rest) = request.split_at(at_once);
    write.write_all(first).await?;
    // Fewer than one a piece of time: longer pauses instead.
    let piece = ((bytes_per_second * PIECE.as_secs_f64()) as usize).max(1);
    let pause = Duration::from_secs_f64(piece as f64 / bytes_per_second);
    for bytes in rest.chunks(piece) {
        sleep(pause).await;
        write.write_all(bytes).await?;
    }
    Ok(())
}

/// The status of the answer, in words.
async fn status(mut read: impl AsyncReadExt + Unpin) -> String {
    let mut line = [0; 12];
    match read.read_exact(&mut line).await {
        Ok(_) => format!("answered with {}", String::from_utf8_lossy(&line[9..])),
        Err(_) => "closed by the server".into(),
    }
}
