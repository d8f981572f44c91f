//! The parsers of request bodies, for `fuzz/`.

pub use super::request::{Content, Inputs, inputs, json};
pub use stillhouse_serving::{Budget, Charge, PredictInput};
