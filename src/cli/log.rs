//! The log goes to standard error: standard output is for the banner and the tables.

use std::io::IsTerminal;

use tracing::subscriber::set_global_default;

use crate::config::{LogFormat, LogSettings};

/// Starts the log.
///
/// Records of dependencies that use the crate `log` aren't bridged into it: their JSON has the paths of the building
/// machine, and what they say concerns nobody here (`notify` reports each watch that the kernel has ended by itself,
/// because its folder was deleted).
///
/// # Errors
/// The filter can't be read.
pub(super) fn start(settings: &LogSettings) -> anyhow::Result<()> {
    let pretty = match settings.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.filter)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // It would print the failure of a write to standard error, and panic there.
        .log_internal_errors(false);
    if pretty {
        set_global_default(log.with_ansi(std::io::stderr().is_terminal()).finish())?;
    } else {
        set_global_default(log.json().flatten_event(true).finish())?;
    }
    Ok(())
}
