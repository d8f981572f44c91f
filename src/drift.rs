//! What a student's outputs say about it: their distance from a teacher's and their confidence.

pub mod confidence;
pub mod divergence;
pub mod sample_ratio;
pub mod sequential;
