//! Errors of a request's body in any protocol, and its decompression within limits.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::{Charge, PredictError, growing::Growing};

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed, announced or received.
    #[error("the body is larger than {limit_bytes} bytes (requests.max_body_bytes)")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// More bytes than allowed once decompressed.
    #[error("the body inflates to more than {limit_bytes} bytes (requests.max_body_bytes)")]
    Inflated {
        /// The limit.
        limit_bytes: usize,
    },
    /// Not complete in time.
    #[error("the body was not complete within {limit_seconds} s (requests.body_timeout_seconds)")]
    Slow {
        /// The limit.
        limit_seconds: u64,
    },
    /// The connection or its framing broke.
    #[error("the body ended before it was complete")]
    Broken,
    /// The bytes are not in the stated encoding.
    #[error("the body is not valid {encoding}, although its Content-Encoding is that")]
    CorruptEncoding {
        /// `gzip` or `deflate`.
        encoding: &'static str,
    },
    /// An unknown encoding.
    #[error("Content-Encoding must be gzip, deflate or identity")]
    UnknownEncoding,
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not encoded.
    Identity,
    /// gzip, one member or several.
    Gzip,
    /// zlib, which HTTP calls deflate.
    Deflate,
}

/// Decompressed bytes are charged and kept in steps of this size.
const STEP_BYTES: usize = 64 << 10;

impl Encoding {
    /// Reads the value of a Content-Encoding; a missing one means identity.
    ///
    /// # Errors
    /// [`BodyError::UnknownEncoding`], also for two encodings in a row.
    pub fn parse(value: Option<&[u8]>) -> Result<Self, BodyError> {
        match value.unwrap_or(b"identity").to_ascii_lowercase().as_slice() {
            b"identity" | b"" => Ok(Self::Identity),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            _ => Err(BodyError::UnknownEncoding),
        }
    }

    /// Decompresses up to `limit` bytes, each charged before it is kept.
    ///
    /// # Errors
    /// The body is too long when decompressed, is not in this encoding, or [`PredictError::BytesInFlight`].
    pub(super) fn undo(
        self,
        bytes: Bytes,
        limit: usize,
        charge: &mut Charge,
    ) -> Result<Bytes, PredictError> {
        match self {
            Self::Identity => Ok(bytes),
            Self::Gzip => inflate(MultiGzDecoder::new(&bytes[..]), limit, "gzip", charge),
            Self::Deflate => inflate(ZlibDecoder::new(&bytes[..]), limit, "deflate", charge),
        }
    }
}

fn inflate(
    mut decoder: impl Read,
    limit: usize,
    encoding: &'static str,
    charge: &mut Charge,
) -> Result<Bytes, PredictError> {
    let mut out = Growing::new(charge.split(0), limit + STEP_BYTES);
    loop {
        let space = out.space(STEP_BYTES)?;
        let read = decoder
            .read(space)
            .map_err(|_| BodyError::CorruptEncoding { encoding })?;
        if read == 0 {
            return Ok(out.finish());
        }
        out.filled(read);
        if out.len() > limit {
            return Err(BodyError::Inflated { limit_bytes: limit }.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::budget::Budget;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory").into()
    }

    #[test]
    fn inflating_stops_at_the_limit_and_at_the_budget() {
        let zeros = vec![0; 1 << 20];
        let packed = gzip(&zeros);
        let undo = |limit, budget| {
            let budget = Budget::new(budget, 1);
            let mut charge = budget.account().open(0).expect("nothing");
            let undone = Encoding::Gzip.undo(packed.clone(), limit, &mut charge);
            let used = budget.used();
            (undone, used)
        };
        let (undone, used) = undo(1 << 20, 8 << 20);
        let undone = undone.expect("it fits");
        assert_eq!(undone.len(), 1 << 20);
        assert!(
            (1 << 20..2 << 20).contains(&used),
            "{used} bytes are charged"
        );
        let (too_long, used) = undo(100_000, 8 << 20);
        assert!(matches!(
            too_long,
            Err(PredictError::Body(BodyError::Inflated {
                limit_bytes: 100_000
            }))
        ));
        assert_eq!(used, 0);
        let (over_budget, used) = undo(1 << 20, 400_000);
        assert!(matches!(
            over_budget,
            Err(PredictError::BytesInFlight { .. })
        ));
        assert_eq!(used, 0);
    }
}
