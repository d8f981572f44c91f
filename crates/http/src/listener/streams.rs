//! The streams of HTTP/2, each with its own patience: where nobody reads an answer, its stream ends and the others go on.
//!
//! hyper gives each stream's future to an executor, and while a window is closed it doesn't ask the answer for anything. So the time is
//! measured beside that future, and ending it resets the stream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use hyper::rt::Executor;

use crate::layers::HttpMetrics;

/// The code under which a stream is counted whose answer was not read.
const UNREAD: &str = "answer_unread";

/// An answer is looked at so many times within its time limit.
const LOOKS: u32 = 4;

tokio::task_local! {
    static STREAM: Arc<Stream>;
}

/// How far the answer of one stream has been read.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Pieces of the answer that the kernel has not taken yet, and those it has.
    unread: AtomicU32,
    read: AtomicU64,
    last_read: AtomicWaker,
}

impl Stream {
    /// That of the current task; none in HTTP/1.
    pub(crate) fn current() -> Option<Arc<Self>> {
        STREAM.try_with(Arc::clone).ok()
    }

    /// Whether nothing of the answer is on its way.
    pub(super) fn is_read(&self) -> bool {
        self.unread.load(Relaxed) == 0
    }

    /// Waits until all of the answer that is on its way was read.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.last_read.register(cx.waker());
        match self.is_read() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Completes when a piece has been on its way for about `limit`.
    async fn unread_for(&self, limit: Duration) {
        let mut patience = Patience::default();
        while patience.look(self) {
            tokio::time::sleep(limit / LOOKS).await;
        }
    }
}

/// How often nothing had moved.
#[derive(Debug, Default)]
struct Patience {
    read: u64,
    looks: u32,
}

impl Patience {
    /// Looks at a stream once more; whether there is patience left.
    fn look(&mut self, stream: &Stream) -> bool {
        let read = stream.read.load(Relaxed);
        self.looks = match stream.is_read() || read != self.read {
            true => 0,
            false => self.looks + 1,
        };
        self.read = read;
        self.looks <= LOOKS
    }
}

/// A piece is on its way as long as this exists.
#[derive(Debug)]
pub(super) struct OnItsWay(Arc<Stream>);

impl OnItsWay {
    pub(super) fn new(stream: &Arc<Stream>) -> Self {
        stream.unread.fetch_add(1, Relaxed);
        Self(stream.clone())
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.0.read.fetch_add(1, Relaxed);
        self.0.unread.fetch_sub(1, Relaxed);
        self.0.last_read.wake();
    }
}

/// Runs what hyper has to run for the streams of its connections.
#[derive(Clone)]
pub(super) struct Streams {
    /// A piece of an answer must be read within this time.
    pub(super) limit: Duration,
    pub(super) metrics: HttpMetrics,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let (limit, metrics) = (self.limit, self.metrics.clone());
        let stream = Arc::<Stream>::default();
        let answering = STREAM.scope(stream.clone(), future);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = answering => {}
                () = stream.unread_for(limit) => {
                    metrics.refused(UNREAD);
                    tracing::debug!(code = UNREAD, "an answer was not read in time: its stream is reset");
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_a_stream_is_unread_when_no_piece_of_it_moves() {
        let stream = Arc::<Stream>::default();
        let mut patience = Patience::default();
        // A slow handler, then pieces one after the other, then one that stays.
        assert!((0..10 * LOOKS).all(|_| patience.look(&stream)));
        for _ in 0..6 {
            let piece = OnItsWay::new(&stream);
            assert!((0..LOOKS).all(|_| patience.look(&stream)));
            drop(piece);
        }
        assert!(stream.is_read());
        let _piece = OnItsWay::new(&stream);
        let looks = (0..).find(|_| !patience.look(&stream));
        assert!(looks.is_some_and(|looks| (LOOKS..=LOOKS + 1).contains(&looks)));
    }
}
