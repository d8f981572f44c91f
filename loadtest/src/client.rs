//! Connections to the server: one request at a time on each, over HTTP/1.1 or on a stream of HTTP/2.

mod fault;
mod head;
mod http1;
mod http2;
mod patience;
mod target;

use std::rc::Rc;

use anyhow::Context;

use crate::pictures::Picture;

pub use fault::Fault;
pub use http1::{Http1, request};
pub use http2::Shared;
pub use target::Target;

/// What carries one request at a time.
pub enum Connection {
    One(Http1),
    Two(http2::Stream),
}

/// One picture, as each protocol sends it.
pub struct Request {
    one: Vec<u8>,
    two: hyper::Request<bytes::Bytes>,
}

impl Request {
    /// Says what doesn't make a request, such as a header's name.
    pub fn new(
        target: &Target,
        headers: &[(String, String)],
        picture: &Picture,
    ) -> anyhow::Result<Self> {
        let mut two =
            hyper::Request::post(target.url()).header("content-type", picture.content_type);
        for (name, value) in headers {
            two = two.header(name, value);
        }
        let two = two
            .body(picture.bytes.clone())
            .context("these headers make no request")?;
        let mut all = vec![("content-type".to_owned(), picture.content_type.to_owned())];
        all.extend_from_slice(headers);
        let one = http1::request(target, "POST", &target.path, &all, Some(&picture.bytes));
        Ok(Self { one, two })
    }
}

/// The bytes of a POST over HTTP/1.1.
pub fn plain_request(target: &Target, picture: &Picture) -> Vec<u8> {
    let headers = [("content-type".to_owned(), picture.content_type.to_owned())];
    http1::request(target, "POST", &target.path, &headers, Some(&picture.bytes))
}

impl Connection {
    /// An HTTP/1.1 connection, opened when it is needed.
    pub fn one(target: &Target, timeout: std::time::Duration) -> Self {
        Self::One(Http1::new(target.address, timeout))
    }

    /// A stream of an HTTP/2 connection that others share.
    pub fn two(shared: &Rc<Shared>, timeout: std::time::Duration) -> Self {
        Self::Two(http2::Stream::new(shared.clone(), timeout))
    }

    /// Connects, if it isn't connected.
    pub async fn open(&mut self) -> Result<(), Fault> {
        match self {
            Self::One(one) => one.open().await,
            Self::Two(two) => two.open().await,
        }
    }

    /// Sends and waits for the whole answer; its status.
    pub async fn ask(&mut self, request: &Request) -> Result<u16, Fault> {
        match self {
            Self::One(one) => one.ask(&request.one).await,
            Self::Two(two) => two.ask(&request.two).await,
        }
    }

    /// Of the last answer.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::One(one) => one.body(),
            Self::Two(two) => two.body(),
        }
    }
}
