//! TOML values that remember where they were written.

use std::collections::BTreeMap;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) place: String,
    pub(super) node: Node,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// From an environment variable or a flag: the reading type decides what it is; as a list, its parts.
    Text(String, Vec<Entry>),
    Array(Vec<Entry>),
    Table(BTreeMap<String, Entry>),
}
