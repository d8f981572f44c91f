//! The errors of an archive that is not accepted.

use std::io;

use crate::StoreError;

/// It has something that an archive must not have, or lacks what it must.
pub(super) fn refused(detail: impl Into<String>) -> StoreError {
    StoreError::Archive {
        detail: detail.into(),
    }
}

/// It can't be read to its end.
pub(super) fn damaged(error: io::Error) -> StoreError {
    refused(format!("it can't be read: {error}"))
}
