//! Verbs that have moved; for one release they still print where to.

use std::process::ExitCode;

use clap::Args;

/// `stillhouse limit` is now the program `stillhouse-limit`.
#[derive(Args)]
pub(super) struct Limit {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Limit {
    /// Exit code 2, as for any other unknown verb.
    pub(super) fn run(&self) -> ExitCode {
        note!("{}", self.message());
        ExitCode::from(2)
    }

    fn message(&self) -> String {
        let features = if cfg!(feature = "turbojpeg") {
            " --features turbojpeg"
        } else {
            ""
        };
        format!(
            "error: `stillhouse limit` has become a program of its own\n\
             next: cargo run --release -p stillhouse-limit{features} -- {}",
            self.arguments.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_has_all_arguments() {
        let arguments = ["fashion/s1", "--rounds", "3"].map(str::to_owned).to_vec();
        let message = Limit { arguments }.message();
        assert!(message.contains("-p stillhouse-limit"), "{message}");
        assert!(message.ends_with("-- fashion/s1 --rounds 3"), "{message}");
    }
}
