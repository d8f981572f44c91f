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
    /// read from them, and answers that were not read yet.
    pub max_bytes_in_flight: usize,
    /// Pictures in one request.
    pub max_images: usize,
    /// Pixels of one request's pictures together.
    pub max_pixels: u64,
    /// Pixels of all pictures that are decoded at the same time; 0: 12.5 million for each core.
    pub max_pixels_in_flight: u64,
    /// Seconds within which a body must be complete.
    pub body_timeout_seconds: u64,
    /// Milliseconds within which a request is answered; a client may ask for less by `x-timeout-ms`.
    pub deadline_ms: u64,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 16 << 20,
            max_bytes_in_flight: 256 << 20,
            max_images: 64,
            max_pixels: 100_000_000,
            max_pixels_in_flight: 0,
            body_timeout_seconds: 20,
            deadline_ms: 10_000,
        }
    }
}

/// A photograph of 12 megapixels on each core.
const PIXELS_A_CORE: u64 = 12_500_000;

impl RequestSettings {
    /// Pixels that may be decoded at the same time, where one picture may have `max_pixels`: at least that one.
    pub(super) fn pixels_in_flight(&self, cores: usize, max_pixels: u64) -> u64 {
        let pixels = match self.max_pixels_in_flight {
            0 => PIXELS_A_CORE * cores as u64,
            pixels => pixels,
        };
        pixels.max(max_pixels)
    }

    pub(super) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }

    /// How long a body may take.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }
}
