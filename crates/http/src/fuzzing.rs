//! The parsers of request bodies, for `fuzz/`.

pub use super::request::{Inputs, inputs, json};
pub use stillhouse_serving::PredictInput;
