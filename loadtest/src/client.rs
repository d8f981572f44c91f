//! Connections to the server, over HTTP/1.1 or as streams of HTTP/2, with one request at a time on each.

mod error;
mod head;
mod http1;
mod http2;
mod target;
mod time_limit;

use std::rc::Rc;

use anyhow::Context;

use crate::pictures::Picture;

pub(crate) use error::RequestError;
pub(crate) use http1::{Http1, request_bytes};
pub(crate) use http2::Http2Connection;
pub(crate) use target::Target;

/// A connection or stream that carries one request at a time.
pub(crate) enum Connection {
    Http1(Http1),
    Http2(http2::Stream),
}

/// A request with one picture, prepared for each protocol.
pub(crate) struct Request {
    http1: Vec<u8>,
    http2: hyper::Request<bytes::Bytes>,
}

impl Request {
    /// # Errors
    /// Headers that aren't valid HTTP.
    pub(crate) fn new(
        target: &Target,
        headers: &[(String, String)],
        picture: &Picture,
    ) -> anyhow::Result<Self> {
        let mut http2 =
            hyper::Request::post(target.url()).header("content-type", picture.content_type);
        for (name, value) in headers {
            http2 = http2.header(name, value);
        }
        let http2 = http2
            .body(picture.bytes.clone())
            .context("these headers are not valid HTTP")?;
        let mut all = vec![("content-type".to_owned(), picture.content_type.to_owned())];
        all.extend_from_slice(headers);
        let http1 = http1::request_bytes(target, "POST", &target.path, &all, Some(&picture.bytes));
        Ok(Self { http1, http2 })
    }
}

/// The bytes of an HTTP/1.1 POST of one picture.
pub(crate) fn plain_request(target: &Target, picture: &Picture) -> Vec<u8> {
    let headers = [("content-type".to_owned(), picture.content_type.to_owned())];
    http1::request_bytes(target, "POST", &target.path, &headers, Some(&picture.bytes))
}

impl Connection {
    /// An HTTP/1.1 connection, opened when it is needed.
    pub(crate) fn http1(target: &Target, timeout: std::time::Duration) -> Self {
        Self::Http1(Http1::new(target.address, timeout))
    }

    /// A stream of a shared HTTP/2 connection.
    pub(crate) fn http2(shared: &Rc<Http2Connection>, timeout: std::time::Duration) -> Self {
        Self::Http2(http2::Stream::new(shared.clone(), timeout))
    }

    /// Connects unless connected already.
    pub(crate) async fn open(&mut self) -> Result<(), RequestError> {
        match self {
            Self::Http1(connection) => connection.open().await,
            Self::Http2(stream) => stream.open().await,
        }
    }

    /// Sends a request, waits for the whole response and returns its status.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<u16, RequestError> {
        match self {
            Self::Http1(connection) => connection.send(&request.http1).await,
            Self::Http2(stream) => stream.send(&request.http2).await,
        }
    }

    /// The body of the last response.
    pub(crate) fn body(&self) -> &[u8] {
        match self {
            Self::Http1(connection) => connection.body(),
            Self::Http2(stream) => stream.body(),
        }
    }
}
