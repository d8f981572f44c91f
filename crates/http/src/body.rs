//! Reads a request's body, with limits on bytes and time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use stillhouse_serving::{BodyError, Charge, Growing, PredictError};

/// The length of a body that its headers state.
pub(crate) fn announced_bytes(body: &Body) -> usize {
    usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX)
}

/// Reads the whole body. Its memory is charged as it comes, and stays charged as long as any part of it is held.
///
/// # Errors
/// The body is over the limit (known before reading if it states its length), too slow, incomplete, or doesn't fit into
/// the budget.
pub(crate) async fn read(
    body: Body,
    limit_bytes: usize,
    time: Duration,
    charge: &mut Charge,
) -> Result<Bytes, PredictError> {
    if announced_bytes(&body) > limit_bytes {
        return Err(BodyError::TooLarge { limit_bytes }.into());
    }
    let collected = tokio::time::timeout(time, collect(body, limit_bytes, charge));
    collected.await.unwrap_or_else(|_| {
        let limit_seconds = time.as_secs();
        Err(BodyError::Slow { limit_seconds }.into())
    })
}

async fn collect(
    mut body: Body,
    limit_bytes: usize,
    charge: &mut Charge,
) -> Result<Bytes, PredictError> {
    let most_bytes = match announced_bytes(&body) {
        0 => limit_bytes,
        announced => announced,
    };
    let mut first = Bytes::new();
    let mut rest = Growing::new(charge.split(0), most_bytes);
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if first.len() + rest.len() + part.len() > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes }.into());
        }
        // Nearly every picture comes in one part, which is not copied.
        if first.is_empty() && rest.is_empty() {
            charge.grow(part.len())?;
            first = part;
            continue;
        }
        if !first.is_empty() {
            let first = std::mem::take(&mut first);
            // It is a slice of the connection's buffer, which isn't part of the budget.
            charge.shrink(first.len());
            rest.extend(&first)?;
        }
        rest.extend(&part)?;
    }
    Ok(match rest.is_empty() {
        true => charge.split(first.len()).hold(first),
        false => rest.finish(),
    })
}
