//! What a run sends, where and how.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    client::{Request, Target},
    pictures::Picture,
};

/// What a run sends, where and how.
pub(crate) struct Job {
    pub target: Target,
    pub protocol: Protocol,
    pub connections: usize,
    /// Concurrent requests on each connection; 1 with HTTP/1.1.
    pub streams: usize,
    pub threads: usize,
    /// From sending a request to having received the whole response.
    pub timeout: Duration,
    pub pictures: Vec<Picture>,
    /// One for each picture.
    pub requests: Vec<Request>,
    pub check: Check,
    /// Clients that send slowly, in addition to the measured load.
    pub slow: Option<SlowClients>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1 with keep-alive.
    #[value(name = "1")]
    Http1,
    /// HTTP/2 with prior knowledge (no negotiation).
    #[value(name = "2")]
    Http2,
}

/// How responses are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Check {
    /// Status, the format of Stillhouse's answer, its label and its version.
    Full,
    /// Status only: for other servers.
    Status,
}

/// Settings of the slow clients.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlowClients {
    /// Number of concurrent slow clients; each starts again after its response or after it was disconnected.
    pub connections: usize,
    /// The part of the request that is sent slowly.
    pub part: RequestPart,
    pub bytes_per_second: f64,
}

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RequestPart {
    /// The head arrives slowly, as in a slow-loris attack.
    Head,
    /// The head arrives at once, the body slowly.
    Body,
}
