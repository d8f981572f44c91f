//! Parses the head of an HTTP/1.1 response, and chunked bodies (pure).

use super::error::RequestError;

/// Responses of model servers have about a dozen.
const MAX_HEADERS: usize = 64;

/// How the length of a body is determined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Known(usize),
    Chunked,
    UntilClose,
}

/// A complete head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub status: u16,
    /// Length of the head in bytes.
    pub len: usize,
    pub body: Length,
    /// Whether the server closes the connection after this response.
    pub closes: bool,
}

/// Parses the head at the beginning of `bytes`; `None` while it is incomplete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, RequestError> {
    let mut headers = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let len = match parsed.map_err(|error| RequestError::Protocol(error.to_string()))? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(len) => len,
    };
    let status = response.code.unwrap_or_default();
    let mut closes = response.version == Some(0);
    let mut body = match status {
        100..200 | 204 | 304 => Length::Known(0),
        _ => Length::UntilClose,
    };
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") && body == Length::UntilClose {
            let length = std::str::from_utf8(header.value).ok();
            let length = length.and_then(|text| text.trim().parse().ok());
            body = Length::Known(
                length
                    .ok_or_else(|| RequestError::Protocol("Content-Length is no number".into()))?,
            );
        } else if header.name.eq_ignore_ascii_case("transfer-encoding")
            && has(header.value, "chunked")
        {
            body = Length::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = has(header.value, "close");
        }
    }
    Ok(Some(Head {
        status,
        len,
        body,
        closes: closes || body == Length::UntilClose,
    }))
}

/// The value of a header in a complete head.
pub(super) fn header(head: &[u8], name: &str) -> Option<String> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(head).ok()?;
    let found = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(String::from_utf8_lossy(found.value).into_owned())
}

fn has(value: &[u8], word: &str) -> bool {
    let mut words = value.split(|&byte| byte == b',');
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Decodes a chunked body; `None` while it is incomplete.
pub(super) fn unchunk(bytes: &[u8]) -> Result<Option<Vec<u8>>, RequestError> {
    let wrong = |what: &str| RequestError::Protocol(format!("chunked body: {what}"));
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| wrong("no size"))?;
        let httparse::Status::Complete((line, size)) = parsed else {
            return Ok(None);
        };
        let size = usize::try_from(size).map_err(|_| wrong("too large"))?;
        let begin = at + line;
        if size == 0 {
            // Trailers may follow, up to an empty line.
            let rest = &bytes[begin..];
            let whole =
                rest.starts_with(b"\r\n") || rest.windows(4).any(|four| four == b"\r\n\r\n");
            return Ok(whole.then_some(body));
        }
        let end = begin.checked_add(size).ok_or_else(|| wrong("too large"))?;
        let Some(chunk) = bytes.get(begin..end) else {
            return Ok(None);
        };
        match bytes.get(end..end + 2) {
            None => return Ok(None),
            Some(b"\r\n") => {}
            Some(_) => return Err(wrong("no line end after a chunk")),
        }
        body.extend_from_slice(chunk);
        at = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let check = |text: &str, status, body, closes| {
            let head = parse(text.as_bytes()).expect("HTTP").expect("whole");
            assert_eq!(
                (head.status, head.body, head.closes, head.len),
                (status, body, closes, text.len())
            );
        };
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
            200,
            Length::Known(12),
            false,
        );
        check(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length:0\r\nConnection: Close\r\n\r\n",
            503,
            Length::Known(0),
            true,
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            200,
            Length::Chunked,
            false,
        );
        check(
            "HTTP/1.1 204 No Content\r\n\r\n",
            204,
            Length::Known(0),
            false,
        );
        check("HTTP/1.1 200 OK\r\n\r\n", 200, Length::UntilClose, true);
        check(
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            200,
            Length::Known(1),
            true,
        );
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-Le").expect("HTTP"), None);
        assert!(parse(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n").is_err());
    }

    #[test]
    fn a_header_is_found_whatever_its_case() {
        let head = b"HTTP/1.1 200 OK\r\nETag: \"4\"\r\n\r\n";
        assert_eq!(header(head, "etag").as_deref(), Some("\"4\""));
        assert_eq!(header(head, "server"), None);
    }

    #[test]
    fn chunks_are_put_together_however_they_are_cut() {
        let whole = b"4\r\nWiki\r\n6;x=y\r\npedia \r\n0\r\nTrailer: 1\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(unchunk(&whole[..cut]).expect("chunks"), None, "{cut}");
        }
        assert_eq!(
            unchunk(whole).expect("chunks").expect("whole"),
            b"Wikipedia "
        );
        assert_eq!(unchunk(b"0\r\n\r\n").expect("chunks").expect("whole"), b"");
        assert!(unchunk(b"4\r\nWikipedia\r\n").is_err());
        assert!(unchunk(b"x\r\n").is_err());
        assert!(unchunk(b"ffffffffffffffff\r\nx").is_err());
    }
}
