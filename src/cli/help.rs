//! The command line as clap knows it, with what every verb's help says in the same words: exit codes, environment.

use std::fmt::Write;

use clap::{Command, CommandFactory};

use super::{Cli, exit::CODES};
use crate::app::version_info;

/// Environment variables of the verbs that speak to a running server. Secrets are never flags, which everybody on the
/// machine could read.
pub(super) const CLIENT_VARIABLES: [(&str, &str); 3] = [
    (
        "STILLHOUSE_TOKEN",
        "the secret of a viewer or operator (admin.tokens_file has them); STILLHOUSE_OPERATOR_TOKEN where it isn't set",
    ),
    (
        "STILLHOUSE_ADMIN",
        "the admin listener's address, instead of --admin",
    ),
    (
        "STILLHOUSE_CONFIG",
        "the configuration file, instead of --config",
    ),
];

/// Environment variables of `serve` and of what reads the configuration.
pub(super) const SERVER_VARIABLES: [(&str, &str); 5] = [
    (
        "STILLHOUSE_OPERATOR_TOKEN",
        "the secret of an operator, who may change what is served",
    ),
    (
        "STILLHOUSE_VIEWER_TOKEN",
        "the secret of a viewer, who may read",
    ),
    (
        "STILLHOUSE_CONFIG",
        "the configuration file, instead of --config",
    ),
    (
        "STILLHOUSE__TABLE__KEY",
        "any key of the configuration: STILLHOUSE__BATCH__QUEUE=512 sets batch.queue",
    ),
    ("ORT_DYLIB_PATH", "ONNX Runtime's shared library"),
];

/// The whole command line.
pub(super) fn command() -> Command {
    let root = Cli::command().version(version_info::SHORT);
    let root = root.long_version(version_info::long());
    let text = format!(
        "{}\n\n{}\n\n{}",
        paragraph("Exit codes", codes(&CODES)),
        paragraph("Environment of `serve`", rows(&SERVER_VARIABLES)),
        paragraph(
            "Environment of the verbs that speak to a running server",
            rows(&CLIENT_VARIABLES)
        )
    );
    root.mut_subcommands(documented).after_help(text)
}

/// Adds what its help has in common with others to a verb, and to the verbs below it.
fn documented(verb: Command) -> Command {
    if verb.has_subcommands() {
        return verb.mut_subcommands(documented);
    }
    let mut text = String::new();
    if has(&verb, "admin") {
        text += &paragraph("Environment", rows(&CLIENT_VARIABLES));
        text += "\n\n";
    } else if has(&verb, "admin_listen") {
        text += &paragraph("Environment", rows(&SERVER_VARIABLES));
        text += "\n\n";
    }
    // The codes of --wait would only confuse elsewhere.
    let waits = has(&verb, "wait");
    let own = |code: &&(u8, &str)| match code.0 {
        3 | 4 => waits,
        130 => verb.get_name() == "serve",
        _ => true,
    };
    let own: Vec<(u8, &str)> = CODES.iter().filter(own).copied().collect();
    text += &paragraph("Exit codes", codes(&own));
    verb.after_help(text)
}

fn has(verb: &Command, argument: &str) -> bool {
    verb.get_arguments().any(|known| known.get_id() == argument)
}

fn codes(codes: &[(u8, &str)]) -> Vec<(String, String)> {
    let row = |(code, meaning): &(u8, &str)| (code.to_string(), (*meaning).to_owned());
    codes.iter().map(row).collect()
}

fn rows(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let row = |(name, meaning): &(&str, &str)| ((*name).to_owned(), (*meaning).to_owned());
    variables.iter().map(row).collect()
}

fn paragraph(title: &str, rows: Vec<(String, String)>) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max();
    let mut text = format!("{title}:");
    for (name, meaning) in rows {
        let _ = write!(text, "\n  {name:<0$}  {meaning}", width.unwrap_or(0));
    }
    text
}
