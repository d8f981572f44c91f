//! `stillhouse`: see `stillhouse --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    stillhouse::cli::main()
}
