//! The command line.

mod commands;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    // SAFETY: the program has just begun; this is its only thread.
    unsafe { stillhouse_engine::forbid_telemetry() };
    commands::Cli::parse().run()
}
