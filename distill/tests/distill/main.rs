//! From idx files to a version, in seconds: a tiny experiment with all that can go wrong on the way.

mod commands;
mod data;
mod full;
mod learning;
mod tiny;
