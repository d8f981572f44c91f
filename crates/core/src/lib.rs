//! Running versions and their roles: batching, the deployment behind one swapped pointer, and comparison with the teacher.

pub mod batch;
pub mod pair_series;
pub mod registry;
pub mod rollout;
pub mod shadow;
pub mod version;
pub mod watchdog;
