//! Whoever changes what is served goes through here: the single writer of every slot.

pub mod journal;
pub mod validation;
