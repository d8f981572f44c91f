//! A model server for distilled image classifiers.

pub mod drift;
pub mod golden;
pub mod image;
pub mod import;
pub mod store;
pub mod strict;
