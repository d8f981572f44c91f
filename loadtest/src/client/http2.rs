//! HTTP/2 with prior knowledge: several requests at a time on one connection.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, sync::Mutex};

use super::{Fault, Target, patience::Patience};

/// One connection that several streams share; made when it is needed, and again when the server has closed it.
pub struct Shared {
    address: std::net::SocketAddr,
    /// Held while it is made, so that one does it for all.
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

/// One request at a time.
pub struct Stream {
    shared: Rc<Shared>,
    body: Bytes,
    patience: Patience,
}

impl Shared {
    pub fn new(target: &Target) -> Rc<Self> {
        Rc::new(Self {
            address: target.address,
            sender: Mutex::new(None),
        })
    }

    async fn connected(&self) -> Result<SendRequest<Full<Bytes>>, Fault> {
        let mut held = self.sender.lock().await;
        if let Some(sender) = held.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(Fault::Connect)?;
        stream.set_nodelay(true).map_err(Fault::Connect)?;
        let made = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| closed(&error))?;
        // Ends with the connection; what went wrong is told to whoever has a request on it.
        tokio::spawn(async move { drop(connection.await) });
        *held = Some(sender.clone());
        Ok(sender)
    }
}

impl Stream {
    pub fn new(shared: Rc<Shared>, timeout: Duration) -> Self {
        Self {
            shared,
            body: Bytes::new(),
            patience: Patience::new(timeout),
        }
    }

    pub async fn open(&mut self) -> Result<(), Fault> {
        let opened = self.patience.within(self.shared.connected()).await;
        opened.unwrap_or(Err(Fault::Timeout)).map(|_| ())
    }

    pub async fn ask(&mut self, request: &hyper::Request<Bytes>) -> Result<u16, Fault> {
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
            .patience
            .within(exchange)
            .await
            .unwrap_or(Err(Fault::Timeout))?;
        self.body = body;
        Ok(status)
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// With its causes, which hyper leaves out of what it displays.
fn closed(error: &hyper::Error) -> Fault {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    Fault::Closed(text)
}
