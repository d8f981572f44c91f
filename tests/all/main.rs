//! Integration tests: real servers on port 0, real clients, scripted or real engines.

mod faults;
mod pictures;
mod predict;
mod repository;
mod server;
