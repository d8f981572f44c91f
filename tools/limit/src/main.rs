//! `stillhouse-limit`: see `stillhouse-limit --help`.
//!
//! The servers that it measures are this same binary: `serve` (with `validate`, which a server starts itself) is the whole of
//! Stillhouse's command line, `floor` the server that answers with a constant. So both are built from the same code as the steps.

mod arguments;
mod floor;

use std::process::ExitCode;

use clap::Parser;
use stillhouse::cli::joined_causes;

use arguments::Arguments;
use floor::Floor;

fn main() -> ExitCode {
    // SAFETY: the program has just begun; this is its only thread.
    unsafe {
        stillhouse_engine::forbid_telemetry();
        stillhouse_engine::limit_heaps();
    }
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("serve" | "validate") => return stillhouse::cli::main(),
        Some("floor") => Floor::parse_from(std::env::args().skip(1)).run(),
        _ => Arguments::parse().run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", joined_causes(&error));
        ExitCode::FAILURE
    })
}
