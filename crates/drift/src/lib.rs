//! How far a student's outputs are from its teacher's, how confident they are, and statistical tests over many of them. Pure:
//! no clock, no randomness, no input or output.

mod answer;
pub mod calibration;
pub mod comparison;
pub mod confidence;
pub mod contrast;
pub mod cooldown;
pub mod distinct;
pub mod distribution;
pub mod divergence;
pub mod independent;
pub mod marginal;
pub mod quantile_buckets;
pub mod request_weighted;
pub mod ring;
pub mod sample_ratio;
pub mod sequential;
pub mod simulation;
pub mod tally;

#[cfg(test)]
mod judge_figures;
