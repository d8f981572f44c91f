//! `[routing]`: what identifies a caller, and whether a client may choose its role.

use serde::{Deserialize, Serialize};

/// How a request's role is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingSettings {
    /// Header whose value keeps a caller on one role; empty: none.
    pub key_header: String,
    /// Cookie that does the same if the header is missing; empty: none.
    pub key_cookie: String,
    /// Whether the header `x-stillhouse-role` may choose a role.
    pub role_header: bool,
    /// Milliseconds after which stable answers instead of a canary or teacher that hasn't answered yet.
    pub fallback_after_ms: u64,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            key_header: String::new(),
            key_cookie: String::new(),
            role_header: false,
            fallback_after_ms: 1000,
        }
    }
}
