//! The model repository on disk.

pub mod manifest;
