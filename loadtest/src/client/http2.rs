//! HTTP/2 with prior knowledge: several concurrent requests on one connection.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Mutex};

use super::{error::RequestError, target::Target, time_limit::TimeLimit};

/// A connection that several streams share; opened when it is needed, and again after the server has closed it.
pub(crate) struct Http2Connection {
    address: std::net::SocketAddr,
    /// Locked while connecting, so that only one stream does it.
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

/// One stream, with one request at a time.
pub(crate) struct Stream {
    shared: Rc<Http2Connection>,
    body: Bytes,
    time_limit: TimeLimit,
}

impl Http2Connection {
    pub(crate) fn new(target: &Target) -> Rc<Self> {
        Rc::new(Self {
            address: target.address,
            sender: Mutex::new(None),
        })
    }

    async fn connected(&self) -> Result<SendRequest<Full<Bytes>>, RequestError> {
        let mut held = self.sender.lock().await;
        if let Some(sender) = held.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(RequestError::Connect)?;
        stream.set_nodelay(true).map_err(RequestError::Connect)?;
        let made = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| closed(&error))?;
        // This task ends with the connection. Its error is dropped, because every request in flight fails with it, too.
        tokio::spawn(async move { drop(connection.await) });
        *held = Some(sender.clone());
        Ok(sender)
    }
}

impl Stream {
    pub(crate) fn new(shared: Rc<Http2Connection>, timeout: Duration) -> Self {
        Self {
            shared,
            body: Bytes::new(),
            time_limit: TimeLimit::new(timeout),
        }
    }

    pub(crate) async fn open(&mut self) -> Result<(), RequestError> {
        let opened = self.time_limit.within(self.shared.connected()).await;
        opened.unwrap_or(Err(RequestError::Timeout)).map(|_| ())
    }

    pub(crate) async fn send(
        &mut self,
        request: &hyper::Request<Bytes>,
    ) -> Result<u16, RequestError> {
        let (shared, request) = (&self.shared, request.clone().map(Full::new));
        let exchange = async {
            let mut sender = shared.connected().await?;
            sender.ready().await.map_err(|error| closed(&error))?;
            let answer = sender
                .send_request(request)
                .await
                .map_err(|error| closed(&error))?;
            let status = answer.status().as_u16();
            let body = answer
                .into_body()
                .collect()
                .await
                .map_err(|error| closed(&error))?;
            Ok((status, body.to_bytes()))
        };
        let (status, body) = self
            .time_limit
            .within(exchange)
            .await
            .unwrap_or(Err(RequestError::Timeout))?;
        self.body = body;
        Ok(status)
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// The error with its causes, which hyper's `Display` leaves out.
fn closed(error: &hyper::Error) -> RequestError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    RequestError::Closed(text)
}
