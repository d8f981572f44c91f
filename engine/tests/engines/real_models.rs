//! Networks that people use.
