//! The errors of an archive that is not accepted.

use std::io;

use crate::StoreError;
use stillhouse_excerpt::Excerpt;

/// It has something that an archive must not have, or lacks what it must.
pub(super) fn refused(detail: impl std::fmt::Display) -> StoreError {
    StoreError::Archive {
        detail: Excerpt::of(detail),
    }
}

/// It can't be read to its end.
pub(super) fn damaged(error: io::Error) -> StoreError {
    refused(format!("it can't be read: {error}"))
}
