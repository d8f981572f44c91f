//! Clients that do what no library does: HTTP/1 as bytes, HTTP/2 as frames.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// On a busy machine things take their time.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("connects")
}

/// A connection whose kernel takes few bytes that nobody reads.
pub(super) async fn connect_small(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    socket.connect(address).await.expect("connects")
}

/// Sends bytes and reads until the server closes. What was received before a reset counts.
pub(super) async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address).await;
    let _ = stream.write_all(request).await;
    until_closed(&mut stream).await
}

pub(super) async fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    let closed = tokio::time::timeout(PATIENCE, read).await;
    assert!(closed.is_ok(), "the server goes on");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head of a request with this body length.
pub(super) fn head(path: &str, headers: &str, length: usize) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n").into()
}

/// A whole request.
pub(super) fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [&head(path, headers, body.len()), body].concat()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// HTTP/2's frame types.
pub(super) mod kind {
    pub(in crate::attacks) const DATA: u8 = 0;
    pub(in crate::attacks) const HEADERS: u8 = 1;
    pub(in crate::attacks) const RST_STREAM: u8 = 3;
    pub(in crate::attacks) const SETTINGS: u8 = 4;
    pub(in crate::attacks) const PING: u8 = 6;
    pub(in crate::attacks) const GOAWAY: u8 = 7;
    pub(in crate::attacks) const WINDOW_UPDATE: u8 = 8;
    pub(in crate::attacks) const CONTINUATION: u8 = 9;
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET https://x<path>` by the static table of HPACK, without compression.
pub(super) fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend([0x01, 1, b'x']);
    block
}

/// The bytes that open an HTTP/2 connection, with this window for each stream.
pub(super) fn preface(window: u32) -> Vec<u8> {
    let mut settings = vec![0, 4];
    settings.extend(window.to_be_bytes());
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(kind::SETTINGS, 0, 0, &settings),
    ]
    .concat()
}

/// Keeps an HTTP/2 connection alive by answering settings and pings and nothing else, until the server closes it.
pub(super) async fn answer_pings(mut stream: TcpStream) {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        let answer = match (head[3], head[4] & 1) {
            (kind::SETTINGS, 0) => frame(kind::SETTINGS, 1, 0, &[]),
            (kind::PING, 0) => frame(kind::PING, 1, 0, &payload),
            _ => continue,
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
