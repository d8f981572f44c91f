//! The parsers of request bodies, for `fuzz/`.

pub use super::request::{Subject, Subjects, json, subjects};
