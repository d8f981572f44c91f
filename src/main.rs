//! `stillhouse`: see `stillhouse --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // SAFETY: the program has just begun; this is its only thread.
    unsafe { stillhouse_engine::forbid_telemetry() };
    stillhouse::cli::main()
}
