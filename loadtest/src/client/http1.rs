//! HTTP/1.1 by hand: one write and one read a request, no allocation, so that the generator costs less than what it
//! measures. A connection is kept as long as the server keeps it.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Fault, Target,
    head::{self, Head, Length},
    patience::Patience,
};

/// What an answer may be at most.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// One connection, made when it is needed.
pub struct Http1 {
    wire: Wire,
    patience: Patience,
}

struct Wire {
    address: SocketAddr,
    stream: Option<TcpStream>,
    /// Holds one answer; its first `filled` bytes have come.
    buffer: Vec<u8>,
    filled: usize,
    head_len: usize,
    body_len: usize,
    /// Put together, where the body came in chunks.
    unchunked: Option<Vec<u8>>,
}

/// A request's bytes.
pub fn request(
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
    pub fn new(address: SocketAddr, timeout: Duration) -> Self {
        Self {
            wire: Wire {
                address,
                stream: None,
                buffer: vec![0; 8 << 10],
                filled: 0,
                head_len: 0,
                body_len: 0,
                unchunked: None,
            },
            patience: Patience::new(timeout),
        }
    }

    /// Connects, if it isn't connected.
    pub async fn open(&mut self) -> Result<(), Fault> {
        let opened = self.patience.within(self.wire.connected()).await;
        opened.unwrap_or(Err(Fault::Timeout)).map(|_| ())
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16, Fault> {
        let answered = self.patience.within(self.wire.exchange(request)).await;
        let answered = answered.unwrap_or(Err(Fault::Timeout));
        if answered.is_err() {
            // An answer that comes later must not be taken for the next one.
            self.wire.stream = None;
        }
        answered
    }

    /// Of the last answer.
    pub fn body(&self) -> &[u8] {
        let wire = &self.wire;
        match &wire.unchunked {
            Some(body) => body,
            None => &wire.buffer[wire.head_len..wire.head_len + wire.body_len],
        }
    }

    /// A header of the last answer.
    pub fn header(&self, name: &str) -> Option<String> {
        head::header(&self.wire.buffer[..self.wire.head_len], name)
    }
}

impl Wire {
    async fn connected(&mut self) -> Result<&mut TcpStream, Fault> {
        // A server may close a connection that was idle; that is no failure. Without news this asks the kernel nothing.
        if let Some(stream) = &self.stream {
            match stream.try_read(&mut [0]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => self.stream = None,
            }
        }
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)
                .await
                .map_err(Fault::Connect)?;
            stream.set_nodelay(true).map_err(Fault::Connect)?;
            self.stream = Some(stream);
        }
        Ok(self.stream.as_mut().expect("connected above"))
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<u16, Fault> {
        let sent = self.connected().await?.write_all(request).await;
        let answered = self.answer().await;
        match sent {
            Ok(()) => answered,
            // Who refuses a body may close before all of it is sent: what it said is the answer.
            Err(error) => {
                self.stream = None;
                answered.map_err(|_| Fault::Closed(format!("while sending: {error}")))
            }
        }
    }

    async fn answer(&mut self) -> Result<u16, Fault> {
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

    async fn read_body(&mut self, head: Head) -> Result<(), Fault> {
        match head.body {
            Length::Known(length) => {
                let end = head.len.saturating_add(length);
                while self.filled < end {
                    self.more_or_fail().await?;
                }
                if self.filled > end {
                    return Err(Fault::Protocol("more came than the answer's length".into()));
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

    async fn more_or_fail(&mut self) -> Result<(), Fault> {
        match self.more().await? {
            0 => Err(Fault::Closed(format!("after {} bytes", self.filled))),
            _ => Ok(()),
        }
    }

    async fn more(&mut self) -> Result<usize, Fault> {
        if self.filled == self.buffer.len() {
            if self.filled >= MAX_ANSWER_BYTES {
                return Err(Fault::Protocol(format!(
                    "an answer of over {MAX_ANSWER_BYTES} bytes"
                )));
            }
            self.buffer.resize(self.filled * 2, 0);
        }
        let stream = self.stream.as_mut().expect("connected before it is read");
        let read = stream.read(&mut self.buffer[self.filled..]).await;
        let read = read.map_err(|error| Fault::Closed(error.to_string()))?;
        self.filled += read;
        Ok(read)
    }
}
