//! Slow clients: they send their request a few bytes at a time, in addition to the measured load.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

use super::job::{Job, RequestPart, SlowClients};
use crate::{client::plain_request, clock::Clock};

/// The interval at which bytes are sent.
const PIECE: Duration = Duration::from_millis(100);

/// How their requests ended, as text, with counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct SlowTally(pub BTreeMap<String, u64>);

/// Runs all slow clients until the end of the run.
pub(super) async fn run(
    slow: &SlowClients,
    job: &Job,
    clock: Clock,
    duration: Duration,
) -> SlowTally {
    let end = Instant::from_std(clock.instant(duration.as_nanos() as u64));
    let clients = (0..slow.connections).map(|number| async move {
        let picture = &job.pictures[number % job.pictures.len()];
        let request = plain_request(&job.target, picture);
        let mut ends = Vec::new();
        while Instant::now() < end {
            let one = client(slow, job, &request, picture.bytes.len());
            match timeout_at(end, one).await {
                Ok(ended) => ends.push(ended),
                Err(_) => ends.push("still sending at the end".to_owned()),
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

/// Sends one request of one client and describes how it ended.
async fn client(slow: &SlowClients, job: &Job, request: &[u8], body_len: usize) -> String {
    let Ok(mut stream) = TcpStream::connect(job.target.address).await else {
        sleep(PIECE).await;
        return "can't connect".into();
    };
    let at_once = match slow.part {
        RequestPart::Head => 0,
        RequestPart::Body => request.len() - body_len,
    };
    let (read, write) = stream.split();
    let sending = send(write, request, at_once, slow.bytes_per_second);
    let answering = status(read);
    tokio::pin!(sending, answering);
    // The server may answer, or close, before all is sent.
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
    // Less than one byte per interval: send single bytes at longer intervals.
    let piece = ((bytes_per_second * PIECE.as_secs_f64()) as usize).max(1);
    let pause = Duration::from_secs_f64(piece as f64 / bytes_per_second);
    for bytes in rest.chunks(piece) {
        sleep(pause).await;
        write.write_all(bytes).await?;
    }
    Ok(())
}

/// The status of the response, as text.
async fn status(mut read: impl AsyncReadExt + Unpin) -> String {
    let mut line = [0; 12];
    match read.read_exact(&mut line).await {
        Ok(_) => format!("answered with {}", String::from_utf8_lossy(&line[9..])),
        Err(_) => "closed by the server".into(),
    }
}
