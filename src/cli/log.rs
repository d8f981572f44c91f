//! The log goes to standard error: standard output is for the banner and the tables.

use std::io::IsTerminal;

use tracing::subscriber::set_global_default;
use tracing_subscriber::EnvFilter;

use super::escape::LogLine;
use crate::config::{LogFormat, LogSettings};

/// Replaces the filter of the running log.
pub(super) struct LogFilter(Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>);

impl LogFilter {
    pub(super) fn set(&self, filter: &str) -> anyhow::Result<()> {
        (self.0)(env_filter(filter)?)
    }
}

fn env_filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).map_err(|error| anyhow::anyhow!("log.filter: {error}"))
}

/// Starts the log.
///
/// Records of dependencies that use the crate `log` aren't bridged into it: their JSON has the paths of the building
/// machine, and what they say concerns nobody here (`notify` reports each watch that the kernel has ended by itself,
/// because its folder was deleted).
///
/// # Errors
/// The filter can't be read.
pub(super) fn start(settings: &LogSettings) -> anyhow::Result<LogFilter> {
    let pretty = match settings.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let colours = pretty && std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(env_filter(&settings.filter)?)
        .with_writer(move || LogLine { colours })
        // It would print the failure of a write to standard error, and panic there.
        .log_internal_errors(false);
    Ok(LogFilter(if pretty {
        let log = log.with_ansi(colours).with_filter_reloading();
        let handle = log.reload_handle();
        set_global_default(log.finish())?;
        Box::new(move |filter| Ok(handle.reload(filter)?))
    } else {
        let log = log.json().flatten_event(true).with_filter_reloading();
        let handle = log.reload_handle();
        set_global_default(log.finish())?;
        Box::new(move |filter| Ok(handle.reload(filter)?))
    }))
}
