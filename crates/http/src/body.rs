//! Reads a request's body, with limits on bytes and time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use stillhouse_serving::{BodyError, PredictError};

/// The length of a body that its headers state.
pub(crate) fn announced_bytes(body: &Body) -> usize {
    usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX)
}

/// Reads the whole body. Each part is passed to `reserve` before it is kept.
///
/// # Errors
/// The body is over the limit (known before reading if it states its length), too slow, incomplete, or refused by
/// `reserve`.
pub(crate) async fn read(
    body: Body,
    limit_bytes: usize,
    time: Duration,
    reserve: impl FnMut(usize) -> Result<(), PredictError>,
) -> Result<Bytes, PredictError> {
    if announced_bytes(&body) > limit_bytes {
        return Err(BodyError::TooLarge { limit_bytes }.into());
    }
    let collected = tokio::time::timeout(time, collect(body, limit_bytes, reserve));
    collected.await.unwrap_or_else(|_| {
        let limit_seconds = time.as_secs();
        Err(BodyError::Slow { limit_seconds }.into())
    })
}

async fn collect(
    mut body: Body,
    limit_bytes: usize,
    mut reserve: impl FnMut(usize) -> Result<(), PredictError>,
) -> Result<Bytes, PredictError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + part.len() > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes }.into());
        }
        reserve(part.len())?;
        // Nearly every picture comes in one part, which is not copied.
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
