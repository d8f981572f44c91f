//! A model server for distilled image classifiers.

pub mod drift;
pub mod image;
pub mod store;
pub mod strict;
