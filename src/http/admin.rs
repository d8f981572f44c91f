//! Operators' verbs: read what is deployed, change it, see who changed what.

mod guard;
mod idempotency;
mod order;
mod tokens;
mod versions;
mod view;
