//! The head of one HTTP/1 request, checked before hyper reads it: strictly, so that this server and any proxy before it agree
//! where a request ends, and with a reason for every refusal. Pure.
//!
//! hyper answers what it can't read by a bare status, and takes some of what RFC 9112 tells servers to refuse. The parser
//! is the one that hyper uses, with the same settings: what passes here, hyper reads as well.

use axum::http::Uri;
use httparse::{EMPTY_HEADER, Error as Syntax, Request, Status};

/// The longest head, with its first line. hyper's buffer holds twice as much.
pub(super) const MAX_HEAD_BYTES: usize = 32 << 10;

/// hyper's limit.
const MAX_HEADERS: usize = 100;

/// Why a head was refused; the connection is closed after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// CR or LF alone.
    #[error("a line of the request's head doesn't end with CR and LF")]
    LineEnd,
    /// No method, target or version that could be read.
    #[error("the first line is not a request of HTTP/1.1, such as `POST /predict HTTP/1.1`")]
    RequestLine,
    /// A name or value that can't be.
    #[error("a header is malformed: a name is a token followed by a colon, a value is printable")]
    Header,
    /// Too many headers.
    #[error("the request has more than {MAX_HEADERS} headers")]
    TooManyHeaders,
    /// Too long.
    #[error("the request's head is longer than {MAX_HEAD_BYTES} bytes")]
    TooLong,
    /// Not complete in time.
    #[error("the request's head was not complete in time (connections.header_timeout_seconds)")]
    Slow,
    /// HTTP/1.1 without Host.
    #[error("a request of HTTP/1.1 has a Host header")]
    NoHost,
    /// Two, or one that names no host.
    #[error("a request has one Host header, which names one host")]
    Host,
    /// Both kinds of framing.
    #[error("a request has Content-Length or Transfer-Encoding, never both")]
    TwoLengths,
    /// No number, or two.
    #[error("Content-Length must be one whole number")]
    Length,
    /// Another coding, or HTTP/1.0.
    #[error("the only Transfer-Encoding is `chunked`, in HTTP/1.1")]
    TransferEncoding,
    /// A proxy's request.
    #[error("this server is no proxy: it doesn't take CONNECT")]
    Connect,
}

impl HeadError {
    /// HTTP status and code.
    pub(crate) fn row(self) -> (u16, &'static str) {
        match self {
            Self::TooManyHeaders | Self::TooLong => (431, "head_too_large"),
            Self::Slow => (408, "head_too_slow"),
            Self::Connect => (405, "method_not_allowed"),
            Self::NoHost | Self::Host => (400, "host_invalid"),
            Self::TwoLengths | Self::Length | Self::TransferEncoding => (400, "framing_invalid"),
            Self::LineEnd | Self::RequestLine | Self::Header => (400, "head_invalid"),
        }
    }
}

/// How the body after a head is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// So many bytes.
    Length(u64),
    Chunked,
}

/// Looks for the end of a head.
#[derive(Debug, Default)]
pub(super) struct HeadEnd {
    /// Where the line begins that has not ended yet.
    line: usize,
    /// Whether the request's first line has ended: empty lines before it are passed over.
    begun: bool,
}

impl HeadEnd {
    /// The length of the head at the start of `bytes`; `None` if more must come. To be called with the same bytes, and more
    /// of them, until it has returned a length.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadError> {
        while let Some(length) = memchr::memchr2(b'\r', b'\n', &bytes[self.line..]) {
            let end = &bytes[self.line + length..];
            match end {
                // LF may still come.
                [b'\r'] => break,
                [b'\r', b'\n', ..] => self.line += length + 2,
                _ => return Err(HeadError::LineEnd),
            }
            match (length == 0, self.begun) {
                (true, true) => {
                    let end = self.line;
                    *self = Self::default();
                    return Ok(Some(end));
                }
                (true, false) => {}
                (false, _) => self.begun = true,
            }
        }
        // Of what can't be a request, such as TLS, no end is waited for.
        match bytes.get(self.line) {
            Some(&first) if !self.begun && !first.is_ascii_alphabetic() && first != b'\r' => {
                Err(HeadError::RequestLine)
            }
            _ if bytes.len() > MAX_HEAD_BYTES => Err(HeadError::TooLong),
            _ => Ok(None),
        }
    }
}

/// Checks a complete head.
pub(super) fn check(head: &[u8]) -> Result<BodyFraming, HeadError> {
    if head.len() > MAX_HEAD_BYTES {
        return Err(HeadError::TooLong);
    }
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(head) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(HeadError::RequestLine),
        Err(Syntax::TooManyHeaders) => return Err(HeadError::TooManyHeaders),
        Err(Syntax::HeaderName | Syntax::HeaderValue) => return Err(HeadError::Header),
        Err(Syntax::NewLine | Syntax::Status | Syntax::Token | Syntax::Version) => {
            return Err(HeadError::RequestLine);
        }
    }
    let target = request.path.unwrap_or_default();
    if !is_plain(target) && target.parse::<Uri>().is_err() {
        return Err(HeadError::RequestLine);
    }
    if request.method == Some("CONNECT") {
        return Err(HeadError::Connect);
    }
    framing(request.version == Some(1), request.headers)
}

/// Whether a target is a path of the plainest characters, which nothing needs to parse.
fn is_plain(target: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-?=&".contains(&byte);
    target.starts_with('/') && target.bytes().all(plain)
}

fn framing(is_http_1_1: bool, headers: &[httparse::Header<'_>]) -> Result<BodyFraming, HeadError> {
    let (mut hosts, mut length, mut chunked) = (0, None, false);
    for header in headers {
        // Most names differ in their length.
        match header.name.len() {
            4 if header.name.eq_ignore_ascii_case("host") => {
                hosts += 1;
                if hosts > 1 || !is_host(header.value) {
                    return Err(HeadError::Host);
                }
            }
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let stated = number(header.value).ok_or(HeadError::Length)?;
                if length.is_some_and(|length| length != stated) {
                    return Err(HeadError::Length);
                }
                length = Some(stated);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                let is_chunked = header.value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                if chunked || !is_chunked || !is_http_1_1 {
                    return Err(HeadError::TransferEncoding);
                }
                chunked = true;
            }
            _ => {}
        }
    }
    match (length, chunked) {
        _ if hosts == 0 && is_http_1_1 => Err(HeadError::NoHost),
        (Some(_), true) => Err(HeadError::TwoLengths),
        (None, true) => Ok(BodyFraming::Chunked),
        (length, false) => Ok(BodyFraming::Length(length.unwrap_or(0))),
    }
}

/// RFC 9110 § 8.6: digits alone. hyper has two more limits at the top of the range.
fn number(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
    number.flatten().filter(|number| *number <= i64::MAX as u64)
}

/// Whether a Host names one host and port. It may be empty.
pub(crate) fn is_host(value: &[u8]) -> bool {
    let part_of_one =
        |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]%~!$&'()*+;=".contains(byte);
    value.iter().all(part_of_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(lines: &[&str]) -> Result<BodyFraming, HeadError> {
        let head = lines.join("\r\n") + "\r\n\r\n";
        let found = HeadEnd::default().find(head.as_bytes())?;
        check(&head.as_bytes()[..found.expect("complete")])
    }

    const GET: &str = "GET /livez HTTP/1.1";

    #[test]
    fn heads_of_real_clients_pass() {
        assert_eq!(
            checked(&[
                "POST /predict?top_k=2 HTTP/1.1",
                "Host: 127.0.0.1:8080",
                "User-Agent: curl/8.5.0",
                "Accept: */*",
                "Content-Length: 357",
                "Content-Type: application/x-www-form-urlencoded"
            ]),
            Ok(BodyFraming::Length(357))
        );
        for (lines, framing) in [
            (&[GET, "Host: [::1]:8080"][..], BodyFraming::Length(0)),
            (&[GET, "host:"], BodyFraming::Length(0)),
            (&["GET / HTTP/1.0"], BodyFraming::Length(0)),
            (&["", "", GET, "Host: x"], BodyFraming::Length(0)),
            (
                &["GET /a%20b?c={d}|e HTTP/1.1", "Host: x"],
                BodyFraming::Length(0),
            ),
            (
                &["GET http://x/livez HTTP/1.1", "Host: x"],
                BodyFraming::Length(0),
            ),
            (&["OPTIONS * HTTP/1.1", "Host: x"], BodyFraming::Length(0)),
            (
                &[GET, "Host: x", "Transfer-Encoding:  Chunked "],
                BodyFraming::Chunked,
            ),
            (
                &[GET, "Host: x", "Content-Length: 5", "content-length: 5"],
                BodyFraming::Length(5),
            ),
        ] {
            assert_eq!(checked(lines), Ok(framing), "{lines:?}");
        }
    }

    #[test]
    fn c8_what_two_readers_could_read_differently_is_refused() {
        use HeadError as E;
        let many = vec!["a: b"; 101];
        let many: Vec<&str> = [GET, "Host: x"].into_iter().chain(many).collect();
        for (lines, error) in [
            (&[GET][..], E::NoHost),
            (&[GET, "Host: x", "Host: x"], E::Host),
            (&[GET, "Host: x, y"], E::Host),
            (&[GET, "Host: x/y"], E::Host),
            (&["GET / HTTP/1.0", "Host: x", "host: y"], E::Host),
            (
                &[
                    GET,
                    "Host: x",
                    "Content-Length: 5",
                    "Transfer-Encoding: chunked",
                ],
                E::TwoLengths,
            ),
            (
                &[
                    GET,
                    "Host: x",
                    "Transfer-Encoding: chunked",
                    "Content-Length: 5",
                ],
                E::TwoLengths,
            ),
            (
                &[GET, "Host: x", "Content-Length: 5", "Content-Length: 6"],
                E::Length,
            ),
            (&[GET, "Host: x", "Content-Length: 5, 5"], E::Length),
            (&[GET, "Host: x", "Content-Length: +5"], E::Length),
            (&[GET, "Host: x", "Content-Length:"], E::Length),
            (
                &[GET, "Host: x", "Content-Length: 18446744073709551615"],
                E::Length,
            ),
            (
                &[GET, "Host: x", "Transfer-Encoding: gzip, chunked"],
                E::TransferEncoding,
            ),
            (
                &[GET, "Host: x", "Transfer-Encoding: xchunked"],
                E::TransferEncoding,
            ),
            (
                &["GET / HTTP/1.0", "Host: x", "Transfer-Encoding: chunked"],
                E::TransferEncoding,
            ),
            (&[GET, "Host : x"], E::Header),
            (&[GET, "Host: x", " folded"], E::Header),
            (&[GET, "Host: x", "a\u{0}b: c"], E::Header),
            (&["GET /a b HTTP/1.1", "Host: x"], E::RequestLine),
            (&["GET / HTTP/2.0", "Host: x"], E::RequestLine),
            (&["GE(T / HTTP/1.1", "Host: x"], E::RequestLine),
            (&["CONNECT x:80 HTTP/1.1", "Host: x"], E::Connect),
            (&many[..], E::TooManyHeaders),
        ] {
            assert_eq!(checked(lines), Err(error), "{lines:?}");
        }
    }

    #[test]
    fn c8_the_end_is_found_byte_by_byte_and_a_bare_line_feed_never_ends_a_line() {
        let head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET ";
        let mut end = HeadEnd::default();
        let found = (1..=head.len()).find_map(|length| end.find(&head[..length]).expect("good"));
        assert_eq!(found, Some(head.len() - 4));
        for head in [
            &b"GET / HTTP/1.1\nHost: x\n\n"[..],
            b"GET / HTTP/1.1\r\nHost: x\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\n",
            b"\nGET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\rHost: x\r\r",
        ] {
            assert_eq!(HeadEnd::default().find(head), Err(HeadError::LineEnd));
        }
        let tls = b"\x16\x03\x01\x02\x00";
        assert_eq!(HeadEnd::default().find(tls), Err(HeadError::RequestLine));
        let long = vec![b'a'; MAX_HEAD_BYTES + 1];
        assert_eq!(HeadEnd::default().find(&long), Err(HeadError::TooLong));
    }
}
