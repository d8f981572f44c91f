//! The body of an answer on its way out: in pieces, each charged until the kernel has taken it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};

use super::{connection::InUse, streams::Stream};
use stillhouse_serving::Charge;

/// A peer has `write_timeout_seconds` for each piece, so this is also the slowest way to read an answer.
const PIECE_BYTES: usize = 64 << 10;

/// What an answer costs beside its bytes: its head, and what HTTP/2 keeps for its stream.
pub(crate) const ANSWER_BYTES: usize = 1 << 10;

/// An answer's body. Its connection is in use until the last byte is read.
pub(crate) struct Answer {
    body: Body,
    /// What the body has yielded, and was not passed on yet.
    rest: Bytes,
    charge: Charge,
    in_use: InUse,
    /// Whether the body has nothing more.
    is_over: bool,
    /// Over HTTP/2.
    stream: Option<Arc<Stream>>,
}

impl Answer {
    /// `charge` covers the whole body where its length is known; other bodies are charged as they come.
    pub(crate) fn new(body: Body, charge: Charge, in_use: InUse) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            charge,
            in_use,
            is_over: false,
            stream: Stream::current(),
        }
    }

    fn piece(&mut self) -> Bytes {
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        let charged = match self.has_yielded_all() {
            true => self.charge.bytes(),
            false => piece.len(),
        };
        let charge = self.charge.split(charged);
        let connection = self.in_use.connection();
        connection.unread(piece, charge, self.stream.as_ref())
    }

    fn has_yielded_all(&self) -> bool {
        self.rest.is_empty() && (self.is_over || self.body.is_end_stream())
    }

    /// Waits, over HTTP/2, until all was read: as long as an answer isn't over, its stream can be reset.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_over = true;
        match &self.stream {
            Some(stream) => stream.poll_read(cx),
            None => Poll::Ready(()),
        }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if self.has_yielded_all() {
            return self.poll_over(cx).map(|()| None);
        }
        if self.rest.is_empty() {
            let is_known = self.body.size_hint().exact().is_some();
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return self.poll_over(cx).map(|()| None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Some(Ok(frame)) => match frame.into_data() {
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                    Ok(data) => {
                        if !is_known && let Err(error) = self.charge.grow(data.len()) {
                            return Poll::Ready(Some(Err(error.into())));
                        }
                        self.rest = data;
                    }
                },
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_yielded_all() && self.stream.as_ref().is_none_or(|stream| stream.is_read())
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut both = SizeHint::new();
        if let Some(upper) = hint.upper() {
            both.set_upper(upper + rest);
        }
        both.set_lower(hint.lower() + rest);
        both
    }
}
