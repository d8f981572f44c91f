//! `[routing]`: by what a request is told apart, and who may choose its role.

use serde::{Deserialize, Serialize};

/// How requests find their role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RoutingSettings {
    /// Header whose value keeps a caller with one role; empty: none.
    pub key_header: String,
    /// Cookie that does the same where the header is missing; empty: none.
    pub key_cookie: String,
    /// Whether the header `x-stillhouse-role` may choose a role.
    pub role_header: bool,
    /// Milliseconds after which stable answers for a canary or teacher that hasn't.
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
