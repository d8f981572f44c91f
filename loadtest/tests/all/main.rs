//! Runs the program against a scripted server.

mod answers;
mod faults;
mod program;
mod scenarios;
mod search;
mod server;
mod stalls;
