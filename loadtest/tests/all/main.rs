//! The program against a server that does what a script says.

mod answers;
mod faults;
mod honesty;
mod orders;
mod program;
mod search;
mod server;
