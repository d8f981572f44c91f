//! Uploads on their way to the disk: on threads of their own, few at a time, and never slower than a pace. So uploads that stand
//! still take nothing from predictions or from other orders.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::AdminError;
use crate::error::ApiError;
use stillhouse_serving::BodyError;

/// Uploads at a time; more are refused.
const UPLOADS: usize = 8;

/// Chunks of an upload that wait for the disk.
const CHUNKS_WAITING: usize = 16;

/// A client that sends nothing for so long has gone.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// An upload that is slower on average, after the first `CHUNK_TIMEOUT`, is ended.
const LEAST_BYTES_PER_SECOND: u64 = 16 << 10;

/// The places of uploads.
pub(super) struct Uploads(Arc<Semaphore>);

impl Default for Uploads {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UPLOADS)))
    }
}

/// An archive that is being received, for the thread that writes it.
pub(super) struct Archive {
    chunks: mpsc::Receiver<Chunk>,
}

/// The end of a body is a chunk of its own: a client that leaves doesn't look like one that is done.
enum Chunk {
    Bytes(Bytes),
    End,
    Failed(BodyError),
}

impl Archive {
    /// The next bytes; `None` once the whole body was received.
    ///
    /// # Errors
    /// The body broke off, or came too slowly.
    pub(super) fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.chunks.blocking_recv() {
            Some(Chunk::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Chunk::End) => Ok(None),
            Some(Chunk::Failed(error)) => Err(error),
            None => Err(BodyError::Broken),
        }
    }
}

impl Uploads {
    /// Receives a body while `take_in` writes it, on a thread of its own.
    ///
    /// # Errors
    /// Too many uploads are running, or the error of `take_in`.
    pub(super) async fn receive<T: Send + 'static>(
        &self,
        body: Body,
        take_in: impl FnOnce(Archive) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.0.clone().try_acquire_owned();
        let place = place.map_err(|_| AdminError::TooManyUploads)?;
        let (chunks, waiting) = mpsc::channel(CHUNKS_WAITING);
        let (result, taken) = oneshot::channel();
        let runtime = Handle::current();
        let archive = Archive { chunks: waiting };
        let thread = std::thread::Builder::new().name("upload".into());
        let begun = thread.spawn(move || {
            let (_place, _entered) = (place, runtime.enter());
            let _ = result.send(take_in(archive));
        });
        if let Err(error) = begun {
            tracing::error!(%error, "there is no thread for an upload");
            return Err(AdminError::TooManyUploads.into());
        }
        send(body, chunks).await;
        taken.await.map_err(|_| ApiError::PANICKED)?
    }
}

/// Sends a body to the thread that writes it.
async fn send(body: Body, chunks: mpsc::Sender<Chunk>) {
    let mut stream = body.into_data_stream();
    let (begun, mut bytes) = (Instant::now(), 0);
    loop {
        let pace = Duration::from_secs(bytes / LEAST_BYTES_PER_SECOND);
        let until = (begun + CHUNK_TIMEOUT + pace).min(Instant::now() + CHUNK_TIMEOUT);
        let chunk = match timeout_at(until, stream.next()).await {
            Ok(None) => Chunk::End,
            Ok(Some(Ok(part))) => {
                bytes += part.len() as u64;
                Chunk::Bytes(part)
            }
            Ok(Some(Err(_))) => Chunk::Failed(BodyError::Broken),
            Err(_) => Chunk::Failed(BodyError::Slow {
                limit_seconds: begun.elapsed().as_secs(),
            }),
        };
        let is_last = !matches!(chunk, Chunk::Bytes(_));
        // Closed: the thread has ended with an error, which is the answer.
        if chunks.send(chunk).await.is_err() {
            // A client that is cut off while it sends never reads why.
            let rest = async { while let Some(Ok(_)) = stream.next().await {} };
            let _ = timeout(CHUNK_TIMEOUT, rest).await;
            return;
        }
        if is_last {
            return;
        }
    }
}
