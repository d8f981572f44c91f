//! A request's bytes: limited in number and time, its encoding undone.

use std::{io::Read, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::body::Body as _;

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than allowed, said or seen.
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
    /// Not what its Content-Encoding says.
    #[error("the body is not valid {encoding}, which its Content-Encoding says")]
    CorruptEncoding {
        /// `gzip` or `deflate`.
        encoding: &'static str,
    },
    /// An encoding that isn't known here.
    #[error("Content-Encoding must be gzip, deflate or identity")]
    UnknownEncoding,
}

/// Reads the whole body.
///
/// # Errors
/// Over the limit (before reading where the length is known), too slow, or broken off.
pub async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, BodyError> {
    let too_large = BodyError::TooLarge { limit_bytes: limit };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large);
    }
    match tokio::time::timeout(time, collect(body, limit)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(BodyError::Slow {
            limit_seconds: time.as_secs(),
        }),
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + part.len() > limit {
            return Err(BodyError::TooLarge { limit_bytes: limit });
        }
        // Nearly every picture comes in one part: that one is not copied.
        if first.is_empty() && rest.is_empty() {
            first = part;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&part);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, one member or several.
    Gzip,
    /// zlib, which HTTP calls deflate.
    Deflate,
}

impl Encoding {
    /// From the header's value; absent means identity.
    ///
    /// # Errors
    /// [`BodyError::UnknownEncoding`], also for two encodings in a row.
    pub fn parse(header: Option<&[u8]>) -> Result<Self, BodyError> {
        match header
            .unwrap_or(b"identity")
            .to_ascii_lowercase()
            .as_slice()
        {
            b"identity" | b"" => Ok(Self::Identity),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"deflate" => Ok(Self::Deflate),
            _ => Err(BodyError::UnknownEncoding),
        }
    }

    /// Undoes it, up to `limit` bytes.
    ///
    /// # Errors
    /// Too long once undone, or not in this encoding.
    pub fn undo(self, bytes: Bytes, limit: usize) -> Result<Bytes, BodyError> {
        match self {
            Self::Identity => Ok(bytes),
            Self::Gzip => inflate(MultiGzDecoder::new(&bytes[..]), limit, "gzip"),
            Self::Deflate => inflate(ZlibDecoder::new(&bytes[..]), limit, "deflate"),
        }
    }
}

fn inflate(decoder: impl Read, limit: usize, encoding: &'static str) -> Result<Bytes, BodyError> {
    let mut out = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|_| BodyError::CorruptEncoding { encoding })?;
    if out.len() > limit {
        return Err(BodyError::Inflated { limit_bytes: limit });
    }
    Ok(out.into())
}
