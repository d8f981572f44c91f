//! Where a chunked body ends (RFC 9112 § 7.1), strictly: so that what follows it is taken for what it is. Pure.

/// A chunk's first line: 16 hexadecimal digits, and extensions that nobody needs.
const MAX_LINE_BYTES: usize = 256;

/// All lines after the last chunk together.
const MAX_TRAILER_BYTES: usize = 8 << 10;

/// The framing is broken: nothing after it can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenChunks;

/// Follows a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the line that states the size.
    Size {
        size: u64,
        digits: usize,
        length: usize,
        ended: bool,
    },
    /// CR of that line has come; LF is missing.
    SizeEnd(u64),
    /// So many bytes of data are missing.
    Data(u64),
    /// CR after the data is missing.
    DataEnd,
    /// LF after the data is missing.
    DataEndLine,
    /// In a line after the last chunk.
    Trailer { line: usize, length: usize },
    /// CR of such a line has come; LF is missing.
    TrailerEnd { line: usize, length: usize },
}

impl Default for Chunks {
    fn default() -> Self {
        Self::Size {
            size: 0,
            digits: 0,
            length: 0,
            ended: false,
        }
    }
}

impl Chunks {
    /// Takes the next bytes; where the body ends, returns how many of them belong to it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<usize>, BrokenChunks> {
        let mut at = 0;
        while at < bytes.len() {
            if let Self::Data(left) = self {
                let taken = (*left).min((bytes.len() - at) as u64);
                *left -= taken;
                at += taken as usize;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            let ended = self.step(bytes[at])?;
            at += 1;
            if ended {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Takes one byte outside of the data; whether it was the last of the body.
    fn step(&mut self, byte: u8) -> Result<bool, BrokenChunks> {
        *self = match (*self, byte) {
            (Self::Size { size, digits, .. }, b'\r') if digits > 0 => Self::SizeEnd(size),
            (
                Self::Size {
                    size,
                    digits,
                    length,
                    ended,
                },
                byte,
            ) if length < MAX_LINE_BYTES && byte != b'\n' => {
                let digit = char::from(byte).to_digit(16).filter(|_| !ended);
                match digit {
                    Some(_) if digits == 16 => return Err(BrokenChunks),
                    Some(digit) => Self::Size {
                        size: size << 4 | u64::from(digit),
                        digits: digits + 1,
                        length: length + 1,
                        ended,
                    },
                    // An extension begins with `;`, perhaps after white space.
                    None if digits > 0 && (ended || b"; \t".contains(&byte)) => Self::Size {
                        size,
                        digits,
                        length: length + 1,
                        ended: true,
                    },
                    None => return Err(BrokenChunks),
                }
            }
            (Self::SizeEnd(0), b'\n') => Self::Trailer { line: 0, length: 0 },
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataEndLine,
            (Self::DataEndLine, b'\n') => Self::default(),
            (Self::Trailer { line, length }, b'\r') => Self::TrailerEnd { line, length },
            (Self::Trailer { line, length }, byte)
                if byte != b'\n' && length < MAX_TRAILER_BYTES =>
            {
                Self::Trailer {
                    line: line + 1,
                    length: length + 1,
                }
            }
            (Self::TrailerEnd { line: 0, .. }, b'\n') => return Ok(true),
            (Self::TrailerEnd { length, .. }, b'\n') => Self::Trailer { line: 0, length },
            _ => return Err(BrokenChunks),
        };
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(body: &str) -> Result<Option<usize>, BrokenChunks> {
        let whole = Chunks::default().take(body.as_bytes());
        // Byte by byte it is the same.
        let mut chunks = Chunks::default();
        let mut single = Ok(None);
        for (at, byte) in body.bytes().enumerate() {
            match chunks.take(&[byte]) {
                Ok(None) => continue,
                Ok(Some(_)) => single = Ok(Some(at + 1)),
                Err(error) => single = Err(error),
            }
            break;
        }
        assert_eq!(whole, single, "{body:?}");
        whole
    }

    #[test]
    fn the_end_of_a_body_is_found() {
        assert_eq!(end("0\r\n\r\nGET"), Ok(Some(5)));
        let body = "5\r\nhello\r\nA;x=\"y\"\r\n0123456789\r\n000\r\na: b\r\n\r\n";
        assert_eq!(end(&format!("{body}rest")), Ok(Some(body.len())));
        assert_eq!(end("5\r\nhel"), Ok(None));
        assert_eq!(end("5 ; a\r\nhello\r\n"), Ok(None));
    }

    #[test]
    fn c8_what_is_no_chunk_is_refused() {
        for body in [
            "\r\n",
            "zz\r\n",
            "5\nhello",
            "5\r\nhello!",
            "5\r\nhello\n",
            "0\r\n\n",
            "0\r\na: b\n\r\n",
            "-5\r\n",
            "0x5\r\n",
            "00000000000000005\r\n",
            "5\rhello",
        ] {
            assert_eq!(end(body), Err(BrokenChunks), "{body:?}");
        }
    }
}
