//! HTTP/1.1 written by hand: one write and one read per request and no allocation, so that the generator costs less than
//! the server that it measures. A connection is reused as long as the server keeps it open.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    error::RequestError,
    head::{self, Head, Length},
    target::Target,
    time_limit::TimeLimit,
};

/// Upper limit of a response's size.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// One connection, opened when it is needed.
pub(crate) struct Http1 {
    raw: RawConnection,
    time_limit: TimeLimit,
}

struct RawConnection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Holds one response; its first `filled` bytes have arrived.
    buffer: Vec<u8>,
    filled: usize,
    head_len: usize,
    body_len: usize,
    /// The decoded body, if it was chunked.
    unchunked: Option<Vec<u8>>,
}

/// The bytes of a request.
pub(crate) fn request_bytes(
    target: &Target,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Option<&[u8]>,
) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", target.host);
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        text += &format!("content-length: {}\r\n", body.len());
    }
    text += "\r\n";
    [text.as_bytes(), body.unwrap_or_default()].concat()
}

impl Http1 {
    pub(crate) fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            raw: RawConnection {
                address,
                stream: None,
                buffer: vec![0; 8 << 10],
                filled: 0,
                head_len: 0,
                body_len: 0,
                unchunked: None,
            },
            time_limit: TimeLimit::new(timeout),
        }
    }

    /// Connects unless connected already.
    pub(crate) async fn open(&mut self) -> Result<(), RequestError> {
        let opened = self.time_limit.within(self.raw.connected()).await;
        opened.unwrap_or(Err(RequestError::Timeout)).map(|_| ())
    }

    /// Sends a request, reads the whole response and returns its status.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<u16, RequestError> {
        let answered = self.time_limit.within(self.raw.exchange(request)).await;
        let answered = answered.unwrap_or(Err(RequestError::Timeout));
        if answered.is_err() {
            // A response that arrives later must not be taken for that of the next request.
            self.raw.stream = None;
        }
        answered
    }

    /// The body of the last response.
    pub(crate) fn body(&self) -> &[u8] {
        let raw = &self.raw;
        match &raw.unchunked {
            Some(body) => body,
            None => &raw.buffer[raw.head_len..raw.head_len + raw.body_len],
        }
    }

    /// A header of the last response.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        head::header(&self.raw.buffer[..self.raw.head_len], name)
    }
}

impl RawConnection {
    async fn connected(&mut self) -> Result<&mut TcpStream, RequestError> {
        // A server may close an idle connection, which is no failure. `try_read` makes a system call only if tokio has seen
        // the socket become readable.
        if let Some(stream) = &self.stream {
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => self.stream = None,
            }
        }
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)
                .await
                .map_err(RequestError::Connect)?;
            stream.set_nodelay(true).map_err(RequestError::Connect)?;
            self.stream = Some(stream);
        }
        Ok(self.stream.as_mut().expect("connected above"))
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<u16, RequestError> {
        let sent = self.connected().await?.write_all(request).await;
        let answered = self.answer().await;
        match sent {
            Ok(()) => answered,
            // A server that refuses a body may close before all of it is sent; its response still counts.
            Err(error) => {
                self.stream = None;
                answered.map_err(|_| RequestError::Closed(format!("while sending: {error}")))
            }
        }
    }

    async fn answer(&mut self) -> Result<u16, RequestError> {
        (self.filled, self.head_len, self.body_len, self.unchunked) = (0, 0, 0, None);
        let head = loop {
            match head::parse(&self.buffer[..self.filled])? {
                None => self.more_or_fail().await?,
                // 100 Continue and the like: the answer follows.
                Some(head) if head.status < 200 => {
                    self.buffer.copy_within(head.len..self.filled, 0);
                    self.filled -= head.len;
                }
                Some(head) => break head,
            }
        };
        self.head_len = head.len;
        self.read_body(head).await?;
        if head.closes {
            self.stream = None;
        }
        Ok(head.status)
    }

    async fn read_body(&mut self, head: Head) -> Result<(), RequestError> {
        match head.body {
            Length::Known(length) => {
                let end = head.len.saturating_add(length);
                while self.filled < end {
                    self.more_or_fail().await?;
                }
                if self.filled > end {
                    return Err(RequestError::Protocol(
                        "more bytes than the response's length".into(),
                    ));
                }
                self.body_len = length;
            }
            Length::Chunked => {
                while self.unchunked.is_none() {
                    self.unchunked = head::unchunk(&self.buffer[head.len..self.filled])?;
                    if self.unchunked.is_none() {
                        self.more_or_fail().await?;
                    }
                }
            }
            Length::UntilClose => {
                while self.more().await? > 0 {}
                self.body_len = self.filled - head.len;
            }
        }
        Ok(())
    }

    async fn more_or_fail(&mut self) -> Result<(), RequestError> {
        match self.more().await? {
            0 => Err(RequestError::Closed(format!("after {} bytes", self.filled))),
            _ => Ok(()),
        }
    }

    async fn more(&mut self) -> Result<usize, RequestError> {
        if self.filled == self.buffer.len() {
            if self.filled >= MAX_ANSWER_BYTES {
                return Err(RequestError::Protocol(format!(
                    "a response of over {MAX_ANSWER_BYTES} bytes"
                )));
            }
            self.buffer.resize(self.filled * 2, 0);
        }
        let stream = self.stream.as_mut().expect("connected before it is read");
        let read = stream.read(&mut self.buffer[self.filled..]).await;
        let read = read.map_err(|error| RequestError::Closed(error.to_string()))?;
        self.filled += read;
        Ok(read)
    }
}
