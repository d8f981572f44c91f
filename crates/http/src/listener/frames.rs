//! Follows the frames of an HTTP/2 connection (RFC 9113 § 4.1) just far enough to know whether a block of headers has begun
//! and not ended. Pure.

/// With these bytes every connection of HTTP/2 begins.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Decided by the first byte that isn't the preface's, or by the whole preface.
pub(super) fn protocol(bytes: &[u8]) -> Option<Protocol> {
    let length = bytes.len().min(PREFACE.len());
    match bytes[..length] == PREFACE[..length] {
        false => Some(Protocol::Http1),
        true if length == PREFACE.len() => Some(Protocol::Http2),
        true => None,
    }
}

const FRAME_HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// What has been seen so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; FRAME_HEAD_BYTES],
    head_length: usize,
    /// Bytes of the payload that are missing.
    payload: usize,
    open: bool,
}

impl Frames {
    /// Takes the next bytes; whether a block of headers is unfinished after them.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> bool {
        loop {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            bytes = &bytes[skipped..];
            if self.payload > 0 {
                return self.is_unfinished();
            }
            let taken = (FRAME_HEAD_BYTES - self.head_length).min(bytes.len());
            self.head[self.head_length..][..taken].copy_from_slice(&bytes[..taken]);
            self.head_length += taken;
            bytes = &bytes[taken..];
            if self.head_length < FRAME_HEAD_BYTES {
                return self.open;
            }
            self.begin_payload();
        }
    }

    fn begin_payload(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.payload = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.head_length = 0;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.open = flags & END_HEADERS == 0;
        }
    }

    /// A frame of headers that isn't complete is unfinished, too, even if it will be the last of its block.
    fn is_unfinished(&self) -> bool {
        self.open || matches!(self.head[3], HEADERS | CONTINUATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, payload as u8, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![7; payload]);
        frame
    }

    #[test]
    fn c4_a_block_of_headers_is_open_until_its_last_frame_is_complete() {
        let mut frames = Frames::default();
        assert!(!frames.take(&frame(4, 0, 12)));
        assert!(frames.take(&frame(HEADERS, 0, 20)));
        assert!(frames.take(&frame(CONTINUATION, 0, 1)));
        assert!(!frames.take(&frame(CONTINUATION, END_HEADERS, 0)));
        let whole = frame(HEADERS, END_HEADERS, 20);
        assert!(frames.take(&whole[..15]));
        assert!(!frames.take(&whole[15..]));
        let data = frame(0, 0, 200);
        assert!(!frames.take(&data[..50]), "a body may take its time");
        assert!(!frames.take(&data[50..]));
    }

    #[test]
    fn frames_are_followed_byte_by_byte() {
        let bytes: Vec<u8> = [
            frame(4, 0, 6),
            frame(HEADERS, END_HEADERS, 9),
            frame(6, 1, 8),
            frame(HEADERS, 0, 3),
        ]
        .concat();
        let mut frames = Frames::default();
        let last = bytes.iter().map(|byte| frames.take(&[*byte])).last();
        assert_eq!(last, Some(true));
    }
}
