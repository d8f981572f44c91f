//! Which load to generate ([`Plan`]), when each request is due ([`schedule`]), and what an idle connection does next
//! ([`dispatcher`]). All of it is pure: time is an argument.

mod dispatcher;
mod phases;
mod schedule;

pub(crate) use dispatcher::{Dispatcher, NextStep};
pub(crate) use phases::{Load, Phase, Plan, Spacing, closed, one};
pub(crate) use schedule::Arrival;
