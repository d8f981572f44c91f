//! Whoever changes what is served goes through here: the single writer of every slot.

pub mod journal;
mod settings;
pub mod validation;

pub use settings::ControlSettings;
