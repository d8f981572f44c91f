//! Integration tests: real servers on port 0, real clients, scripted or real engines.

mod attacks;
mod audit;
mod bodies;
mod drill;
mod engines;
mod faults;
mod foreign;
mod full_disk;
mod hanging;
mod independent;
mod instructions;
mod operator;
mod person;
mod pictures;
mod predict;
mod process;
mod proving;
mod repository;
mod rollout;
mod server;
mod shipped;
mod shipped_rollouts;
mod supervision;
mod toy;
mod validation;
mod watch;
