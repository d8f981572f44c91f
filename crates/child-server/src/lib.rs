//! A Stillhouse server in a child process: started and stopped, loaded with requests, its CPU time read from the kernel.
//!
//! Used by `stillhouse drill`, `stillhouse-limit` and the benchmarks. It knows the server's command line, banner and HTTP only.

pub mod load;
mod server;

pub use server::{CpuTime, Server};
