//! What hyper refuses by itself over HTTP/2, seen in the frames that it sends (RFC 9113 § 7): streams reset and connections ended for
//! an error of the peer. Pure.

/// Types of frames, and a flag.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

const FRAME_HEAD_BYTES: usize = 9;

/// The code under which refusals of each kind of error are counted; none for what is no fault of the peer, or ends a stream that
/// this server has answered.
fn code(error: u32) -> Option<&'static str> {
    Some(match error {
        1 => "http2_protocol_error",
        3 => "http2_flow_control_error",
        4 => "http2_settings_timeout",
        5 => "http2_stream_closed",
        6 => "http2_frame_size_error",
        7 => "http2_refused_stream",
        9 => "http2_compression_error",
        11 => "http2_enhance_your_calm",
        _ => return None,
    })
}

/// hyper answers a list of headers that is too long by 431, and resets the stream if a body would follow.
const TOO_LONG: &str = "head_too_large";

/// That answer is nothing but its status: a few bytes of HPACK, where each of this server's has at least a request's id.
const STATUS_BYTES: usize = 16;

/// Follows the frames that are sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The head of a frame, and of its payload what an error stands in.
    bytes: [u8; FRAME_HEAD_BYTES + 8],
    length: usize,
    /// Bytes of the payload that are passed over.
    rest: usize,
    /// The last stream that was refused by such an answer.
    too_long: u32,
}

impl Sent {
    /// Takes the next bytes; calls `refused` with the code of each refusal among them.
    pub(super) fn take(&mut self, mut bytes: &[u8], mut refused: impl FnMut(&'static str)) {
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            let wanted = match self.length {
                ..FRAME_HEAD_BYTES => FRAME_HEAD_BYTES,
                _ => FRAME_HEAD_BYTES + self.error_bytes(),
            };
            let taken = (wanted - self.length).min(bytes.len());
            self.bytes[self.length..][..taken].copy_from_slice(&bytes[..taken]);
            self.length += taken;
            bytes = &bytes[taken..];
            if self.length >= FRAME_HEAD_BYTES
                && self.length == FRAME_HEAD_BYTES + self.error_bytes()
            {
                if let Some(code) = self.frame() {
                    refused(code);
                }
                self.rest = self.payload_bytes() - self.error_bytes();
                self.length = 0;
            }
        }
    }

    fn payload_bytes(&self) -> usize {
        let [a, b, c, ..] = self.bytes;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    /// Bytes of the payload up to the end of an error code; 0 where there is none.
    fn error_bytes(&self) -> usize {
        let bytes = match self.bytes[3] {
            RST_STREAM => 4,
            GOAWAY => 8,
            _ => 0,
        };
        bytes.min(self.payload_bytes())
    }

    /// Looks at a frame as far as it is kept.
    fn frame(&mut self) -> Option<&'static str> {
        let [_, _, _, kind, flags, s0, s1, s2, s3, ref payload @ ..] = self.bytes;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let number = |at: usize| {
            let bytes = payload[at..].first_chunk().copied();
            u32::from_be_bytes(bytes.unwrap_or_default())
        };
        match (kind, self.error_bytes()) {
            (HEADERS, _) if flags & END_STREAM != 0 && self.payload_bytes() <= STATUS_BYTES => {
                self.too_long = stream;
                Some(TOO_LONG)
            }
            (RST_STREAM, _) if stream == self.too_long => None,
            (RST_STREAM, 4) => code(number(0)),
            (GOAWAY, 8) => code(number(4)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let head = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream];
        [&head, payload].concat()
    }

    #[test]
    fn c8_what_hyper_refuses_is_seen_however_the_bytes_are_cut() {
        let sent = [
            frame(4, 0, 0, &[0; 12]),
            frame(HEADERS, 4, 1, &[7; 40]),
            frame(0, END_STREAM, 1, &[7; 100]),
            frame(HEADERS, 4 | END_STREAM, 1, &[7; 40]),
            frame(HEADERS, 4 | END_STREAM, 3, &[7; 5]),
            frame(RST_STREAM, 0, 3, &[0, 0, 0, 1]),
            frame(RST_STREAM, 0, 5, &[0, 0, 0, 1]),
            // Cancelled, and a friendly end.
            frame(RST_STREAM, 0, 7, &[0, 0, 0, 8]),
            frame(GOAWAY, 0, 0, &[0; 8]),
            frame(0, 0, 9, &[]),
            frame(RST_STREAM, 0, 9, &[0, 0, 0, 7]),
            frame(GOAWAY, 0, 0, b"\0\0\0\x09\0\0\0\x0btoo_many_resets"),
        ]
        .concat();
        for step in [1, 2, 5, 13, sent.len()] {
            let (mut frames, mut codes) = (Sent::default(), Vec::new());
            for part in sent.chunks(step) {
                frames.take(part, |code| codes.push(code));
            }
            let expected = [
                "head_too_large",
                "http2_protocol_error",
                "http2_refused_stream",
                "http2_enhance_your_calm",
            ];
            assert_eq!(codes, expected, "in steps of {step}");
        }
    }
}
