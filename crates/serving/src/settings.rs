//! `[requests]`: limits of one request, and of all together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[requests]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequestSettings {
    /// Bytes of a body, as sent and once decompressed.
    pub max_body_bytes: usize,
    /// Bytes that all requests together may make the server hold: heads, bodies as sent and once decompressed, what is
    /// read from them, pictures while they are decoded and as they wait, and answers that were not read yet; 0: a quarter
    /// of the memory, at most 1 GiB.
    pub max_bytes_in_flight: usize,
    /// Pictures in one request.
    pub max_images: usize,
    /// Pixels of one request's pictures together.
    pub max_pixels: u64,
    /// Seconds within which a body must be complete.
    pub body_timeout_seconds: u64,
    /// Milliseconds within which a request is answered; a client may ask for less by `x-timeout-ms`.
    pub deadline_ms: u64,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_bytes_in_flight: 0,
            max_images: 64,
            max_pixels: 100_000_000,
            body_timeout_seconds: 20,
            deadline_ms: 10_000,
        }
    }
}

/// Where the configuration leaves the budget open: of the memory one part in this many, and at most so much.
const MEMORY_PARTS: u64 = 4;
const MOST_BYTES: u64 = 1 << 30;

impl RequestSettings {
    /// Bytes that all requests together may hold, where the process may use so many.
    pub fn bytes_in_flight(&self, memory_bytes: Option<u64>) -> usize {
        match self.max_bytes_in_flight {
            0 => memory_bytes.map_or(MOST_BYTES / MEMORY_PARTS, |bytes| {
                (bytes / MEMORY_PARTS).min(MOST_BYTES)
            }) as usize,
            bytes => bytes,
        }
    }

    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How long a body may take.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }
}
