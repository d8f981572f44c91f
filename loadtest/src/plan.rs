//! Which load to generate ([`Plan`]), when each request is due ([`schedule`]), and what an idle connection does next
//! ([`dispatcher`]). All of it is pure: time is an argument.

mod dispatcher;
mod phases;
mod schedule;

pub use dispatcher::{Dispatcher, NextStep};
pub use phases::{Load, Phase, Plan, Spacing, closed, one};
pub use schedule::Arrival;
