//! What stands between a socket and hyper: it passes on only heads of HTTP/1 that were checked, ends what takes too long to
//! come, and doesn't wait for a peer that reads nothing.
//!
//! A head that is refused is replaced by a harmless one, which hyper reads, and the request that comes out of hyper for it
//! is answered with the reason like any other refusal: with an id, in the log, counted. Nothing after it is read.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    chunks::{BrokenChunks, Chunks},
    connection::Connection,
    frames::{Frames, PREFACE, Protocol, protocol},
    head::{self, BodyFraming, HeadEnd, HeadError},
    sent::Sent,
};
use crate::layers::HttpMetrics;

/// What hyper reads instead of a head that was refused.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Of what follows a refused head, so much is read and thrown away: closing with unread bytes would lose the answer.
const DISCARDED_BYTES: usize = 256 << 10;

/// What is being read.
enum Reading {
    /// The first bytes, which decide about the protocol.
    Start,
    Head(HeadEnd),
    Body(u64),
    Chunked(Chunks),
    Http2(Frames),
    /// A head was refused; so many bytes were thrown away since.
    Refused(usize),
    /// The framing of a body broke.
    Broken,
}

/// The wrapper. Its timers exist only while a head is incomplete or a write is stuck.
pub(super) struct Gate<S> {
    stream: S,
    connection: Arc<Connection>,
    reading: Reading,
    /// What was read and not passed on: an incomplete head, or what didn't fit into hyper's buffer.
    inbox: BytesMut,
    /// So much of the inbox was checked.
    checked: usize,
    head_limit: Duration,
    late: Option<Pin<Box<Sleep>>>,
    write_limit: Duration,
    stuck: Option<Pin<Box<Sleep>>>,
    /// What hyper sends over HTTP/2, for the refusals among it.
    sent: Sent,
    metrics: HttpMetrics,
}

impl<S> Gate<S> {
    pub(super) fn new(
        stream: S,
        connection: Arc<Connection>,
        head_limit: Duration,
        write_limit: Duration,
        metrics: HttpMetrics,
    ) -> Self {
        Self {
            stream,
            connection,
            reading: Reading::Start,
            inbox: BytesMut::new(),
            checked: 0,
            head_limit,
            late: Some(Box::pin(sleep(head_limit))),
            write_limit,
            stuck: None,
            sent: Sent::default(),
            metrics,
        }
    }

    /// Counts what hyper refuses by itself, without a word to anybody.
    fn look_at_sent(&mut self, bytes: &[u8]) {
        if matches!(self.reading, Reading::Http2(_)) {
            let metrics = &self.metrics;
            self.sent.take(bytes, |code| {
                metrics.refused(code);
                tracing::debug!(code, "the HTTP library refused a request");
            });
        }
    }

    /// How many of these bytes may be passed on. The others are the beginning of a head; or they don't matter any more, as
    /// something was refused.
    fn check(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        while passed < bytes.len() {
            let new = &bytes[passed..];
            match &mut self.reading {
                Reading::Start => match protocol(new) {
                    None => break,
                    Some(Protocol::Http1) => self.reading = Reading::Head(HeadEnd::default()),
                    Some(Protocol::Http2) => self.reading = Reading::Http2(Frames::default()),
                },
                Reading::Head(end) => match end.find(new) {
                    Ok(None) => break,
                    Ok(Some(length)) => match head::check(&new[..length]) {
                        Ok(framing) => {
                            self.connection.head_passed();
                            self.reading = after_head(framing);
                            self.expect_nothing();
                            passed += length;
                        }
                        Err(error) => self.refuse(error),
                    },
                    Err(error) => self.refuse(error),
                },
                Reading::Body(left) => {
                    let taken = (*left).min(new.len() as u64);
                    *left -= taken;
                    if *left == 0 {
                        self.reading = Reading::Head(HeadEnd::default());
                    }
                    passed += taken as usize;
                }
                Reading::Chunked(chunks) => match chunks.take(new) {
                    Ok(None) => passed = bytes.len(),
                    Ok(Some(length)) => {
                        self.reading = Reading::Head(HeadEnd::default());
                        passed += length;
                    }
                    Err(BrokenChunks) => self.reading = Reading::Broken,
                },
                Reading::Http2(frames) => {
                    // The preface isn't a frame.
                    let (preface, new) = match new.strip_prefix(PREFACE) {
                        Some(rest) => (PREFACE.len(), rest),
                        None => (0, new),
                    };
                    match frames.take(new) {
                        false => self.expect_nothing(),
                        true => self.expect_more(),
                    }
                    passed += preface + new.len();
                }
                Reading::Refused(_) | Reading::Broken => break,
            }
        }
        passed
    }

    fn refuse(&mut self, error: HeadError) {
        self.connection.refuse(error);
        self.reading = Reading::Refused(0);
        self.expect_nothing();
    }

    /// A head has ended.
    fn expect_nothing(&mut self) {
        if self.late.take().is_some() {
            self.connection.set_in_head(false);
        }
    }

    /// A head has begun: it must be complete in time.
    fn expect_more(&mut self) {
        let limit = self.head_limit;
        self.late.get_or_insert_with(|| Box::pin(sleep(limit)));
        self.connection.set_in_head(true);
    }

    /// Checks what came into hyper's buffer behind `before` directly; what may not be passed on is taken out again.
    fn check_in_place(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let new = &buf.filled()[before..];
        let length = new.len();
        let passed = self.check(new);
        if passed == length {
            return;
        }
        match self.reading {
            Reading::Refused(_) => self.stand_in(),
            Reading::Broken => {}
            _ => {
                self.inbox
                    .extend_from_slice(&buf.filled()[before + passed..]);
                self.expect_more();
            }
        }
        buf.set_filled(before + passed);
    }

    fn stand_in(&mut self) {
        self.inbox.clear();
        self.inbox.extend_from_slice(STAND_IN);
        self.checked = STAND_IN.len();
    }

    /// Checks the inbox again, after more came into it.
    fn check_inbox(&mut self) {
        let inbox = std::mem::take(&mut self.inbox);
        let passed = self.check(&inbox);
        self.inbox = inbox;
        match self.reading {
            Reading::Refused(_) => {
                // Whole requests may stand before the one that was refused.
                self.inbox.truncate(passed);
                self.inbox.extend_from_slice(STAND_IN);
                self.checked = self.inbox.len();
            }
            Reading::Broken => {
                self.inbox.truncate(passed);
                self.checked = passed;
            }
            _ => {
                self.checked = passed;
                // Behind a whole head, the next has begun.
                if passed < self.inbox.len() {
                    self.expect_more();
                }
            }
        }
    }

    /// Passes on what was checked in the inbox.
    fn pass_on(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.checked.min(buf.remaining());
        buf.put_slice(&self.inbox[..length]);
        self.inbox.advance(length);
        self.checked -= length;
    }

    /// Nothing has come: perhaps for too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(late) = &mut self.late else {
            return Poll::Pending;
        };
        ready!(late.as_mut().poll(cx));
        match self.reading {
            // Half a head: its sender can be answered.
            Reading::Head(_) if !self.inbox.is_empty() => {
                self.refuse(HeadError::Slow);
                self.stand_in();
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    /// Passes a write's result on; starts the timer if the write made no progress.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stuck = None;
            return poll;
        }
        let limit = self.write_limit;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stuck.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

fn after_head(framing: BodyFraming) -> Reading {
    match framing {
        BodyFraming::Length(0) => Reading::Head(HeadEnd::default()),
        BodyFraming::Length(length) => Reading::Body(length),
        BodyFraming::Chunked => Reading::Chunked(Chunks::default()),
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// Reads into the inbox; how many bytes came.
    fn poll_inbox(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; 4096];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.inbox.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Throws away what follows a refused head, and lets hyper wait: it closes after the answer.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Reading::Refused(discarded) = &mut self.reading else {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            };
            if *discarded >= DISCARDED_BYTES {
                return Poll::Pending;
            }
            let mut space = [0; 4096];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            match read.filled().len() {
                // The peer sends no more, and may still read.
                0 => *discarded = DISCARDED_BYTES,
                bytes => *discarded += bytes,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = &mut *self;
        loop {
            if gate.checked > 0 {
                gate.pass_on(buf);
                return Poll::Ready(Ok(()));
            }
            if matches!(gate.reading, Reading::Refused(_) | Reading::Broken) {
                return gate.poll_discard(cx);
            }
            if gate.inbox.is_empty() {
                let before = buf.filled().len();
                match Pin::new(&mut gate.stream).poll_read(cx, buf) {
                    Poll::Ready(Ok(())) if buf.filled().len() > before => {
                        gate.check_in_place(buf, before);
                        if buf.filled().len() > before {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Poll::Pending => ready!(gate.poll_late(cx))?,
                    ended => return ended,
                }
            } else {
                match gate.poll_inbox(cx) {
                    // The peer has gone in the middle of a head.
                    Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                    Poll::Ready(Ok(_)) => gate.check_inbox(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => ready!(gate.poll_late(cx))?,
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = poll {
            self.look_at_sent(&bytes[..written]);
        }
        self.written(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(mut written)) = poll {
            for part in parts {
                let length = part.len().min(written);
                self.look_at_sent(&part[..length]);
                written -= length;
            }
        }
        self.written(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
