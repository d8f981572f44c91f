//! Reads and discards the rest of a request's body after an early answer, within limits.
//!
//! A server that answers before it has read the body, and then closes the socket, resets the connection: the answer is
//! lost in the client's buffers, or the client sees a failed write. nginx turns that into a 502, Node's fetch into an
//! EPIPE. So if a handler leaves part of a body unread, it is drained here, in one place for every route, on HTTP/1.1
//! (the connection can then be used again) and HTTP/2 (the stream isn't reset).

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Body, Frame, SizeHint},
    header,
};

/// At most this many bytes are drained; then the connection is closed, or the stream reset.
const MAX_BYTES: usize = 64 << 20;

/// At most for this long.
const MAX_TIME: Duration = Duration::from_secs(10);

/// A body that is drained when it is dropped unread.
pub(super) struct Drained<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// Taken when it is dropped.
    incoming: Option<B>,
    /// The client waits for `100 Continue` before it sends the body, and will not get it any more.
    waits_to_be_asked: bool,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drained<B> {
    /// Wraps the body of a request.
    pub(super) fn wrap(request: Request<B>) -> Request<Self> {
        let waits_to_be_asked = request.headers().contains_key(header::EXPECT);
        request.map(|incoming| Self {
            ended: incoming.is_end_stream(),
            incoming: Some(incoming),
            waits_to_be_asked,
        })
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for Drained<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(incoming).poll_frame(cx);
        self.waits_to_be_asked = false;
        if let Poll::Ready(None | Some(Err(_))) = frame {
            self.ended = true;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for Drained<B> {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else {
            return;
        };
        if self.ended || self.waits_to_be_asked || incoming.is_end_stream() {
            return;
        }
        // Outside of the runtime no client is left to answer.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(MAX_TIME, drain(incoming)));
        }
    }
}

async fn drain(mut body: impl Body<Data = Bytes> + Unpin) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > MAX_BYTES {
            return;
        }
    }
}
