//! Integration tests: real servers on port 0, real clients, scripted or real engines.

mod audit;
mod bodies;
mod drill;
mod engines;
mod faults;
mod independent;
mod instructions;
mod operator;
mod pictures;
mod predict;
mod process;
mod repository;
mod rollout;
mod server;
mod shipped;
mod shipped_rollouts;
mod supervision;
mod toy;
mod validation;
mod watch;
