//! What a student's outputs say about it: their distance from a teacher's, their confidence, and what follows from many.

pub mod calibration;
pub mod cells;
pub mod comparison;
pub mod confidence;
pub mod cooldown;
pub mod distribution;
pub mod divergence;
pub mod marginal;
pub mod ring;
pub mod sample_ratio;
pub mod sequential;
pub mod tally;
