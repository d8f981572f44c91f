//! The command line. Verbs that change a running server are clients of its admin API; `serve` is the server.

mod audit;
mod banner;
pub mod caller;
mod drill;
mod health;
mod import;
mod models;
mod moved;
pub mod network;
mod operator;
mod serve;
mod standalone;
mod validate;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use stillhouse_child_server as child;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, ConfigError, LogFormat, LogSettings, ServerSettings, Setting},
    control::validation::VERB,
};

/// Serves distilled image classifiers: batched, split, swapped, watched.
#[derive(Parser)]
#[command(name = "stillhouse", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve the model repository, or one ONNX file.
    Serve(serve::Serve),
    /// Ask the server of this configuration whether it is ready; exit code 0 means that it is.
    Health(health::Health),
    /// Make a version from an ONNX file.
    Import(import::Import),
    /// Inspect the model repository.
    #[command(subcommand)]
    Models(models::Models),
    /// Inspect the audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    #[command(flatten)]
    Operator(operator::Operator),
    /// Walk through a rollout in five minutes: a bad canary, a good one, a rollback, a crash
    Drill(drill::Drill),
    /// Inspect the configuration.
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Moved to the program `stillhouse-limit`.
    #[command(hide = true, disable_help_flag = true)]
    Limit(moved::Limit),
    /// Check the version named on standard input. The server starts this process to keep a failing version out of its own.
    #[command(name = VERB, hide = true)]
    Validate(validate::Validate),
}

#[derive(Subcommand)]
enum ConfigVerb {
    /// Read the file, the environment and the flags; report what is wrong, or print the result.
    Check {
        #[command(flatten)]
        source: ConfigSource,
        /// Print JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
}

/// Where the configuration comes from.
#[derive(Args)]
pub struct ConfigSource {
    /// The file; default: config/stillhouse.toml if it exists.
    #[arg(long, short, env = "STILLHOUSE_CONFIG")]
    config: Option<PathBuf>,
    /// Any key, e.g. `--set batch.queue=512`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    sets: Vec<(String, String)>,
}

/// The async runtime that answers requests: `server.threads` threads, by default one per two cores. Networks and large
/// pictures have their own threads; more threads than cores would only take turns, at the price of a wake-up each time.
///
/// # Errors
/// The operating system can't start a thread.
pub fn runtime(settings: &ServerSettings) -> std::io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match settings.threads {
        0 => cores.div_ceil(2),
        fixed => fixed,
    };
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not KEY=VALUE"))
}

impl ConfigSource {
    /// `own` are a verb's dedicated flags as (key, flag, value); they take precedence over `--set`.
    ///
    /// # Errors
    /// The file can't be read, a key is unknown, or a value is out of its range.
    pub fn load(&self, own: &[(&str, &str, Option<String>)]) -> Result<Config, ConfigError> {
        let sets = self.sets.iter().map(|(key, value)| Setting {
            key: key.clone(),
            value: value.clone(),
            flag: format!("--set {key}"),
        });
        let own = own.iter().filter_map(|(key, flag, value)| {
            Some(Setting {
                key: (*key).into(),
                value: value.clone()?,
                flag: (*flag).into(),
            })
        });
        let flags: Vec<Setting> = sets.chain(own).collect();
        Config::load(self.config.as_deref(), std::env::vars(), &flags)
    }
}

/// Parses the process's arguments, runs the verb and prints its error, if any, to standard error.
///
/// It changes no environment variable. ONNX Runtime collects usage data unless
/// [`forbid_telemetry`](stillhouse_engine::forbid_telemetry) was called before; the caller must do that while the
/// process has a single thread.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Serve(serve) => serve.run(),
        Verb::Health(health) => health.run(),
        Verb::Import(import) => import.run(),
        Verb::Models(models) => models.run(),
        Verb::Audit(audit) => audit.run(),
        Verb::Operator(verb) => verb.main(),
        Verb::Drill(drill) => drill.run(),
        Verb::Limit(limit) => Ok(limit.run()),
        Verb::Config(ConfigVerb::Check { source, json }) => check(&source, json),
        Verb::Validate(validate) => validate.run(),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {}", joined_causes(&error));
        ExitCode::FAILURE
    })
}

/// Joins the error chain, skipping causes already in the text.
pub fn joined_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        match (text.is_empty(), text.contains(&cause)) {
            (true, _) => cause,
            (_, true) => text,
            _ => format!("{text}: {cause}"),
        }
    })
}

fn check(source: &ConfigSource, json: bool) -> anyhow::Result<ExitCode> {
    let config = source.load(&[])?;
    if json {
        println!("{}", serde_json::to_string_pretty(&config)?);
    } else {
        print!("{}", toml::to_string(&config)?);
    }
    Ok(ExitCode::SUCCESS)
}

/// Replaces the filter of the running log.
struct LogFilter(Box<dyn Fn(EnvFilter) -> anyhow::Result<()> + Send + Sync>);

impl LogFilter {
    fn set(&self, filter: &str) -> anyhow::Result<()> {
        (self.0)(env_filter(filter)?)
    }
}

fn env_filter(text: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(text).map_err(|error| anyhow::anyhow!("log.filter: {error}"))
}

/// The log goes to standard error: standard output is for the banner and the tables.
fn start_log(settings: &LogSettings) -> anyhow::Result<LogFilter> {
    let pretty = match settings.format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Pretty => true,
        LogFormat::Json => false,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(env_filter(&settings.filter)?)
        .with_writer(std::io::stderr);
    Ok(LogFilter(if pretty {
        let log = log
            .with_ansi(std::io::stderr().is_terminal())
            .with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Box::new(move |filter| Ok(handle.reload(filter)?))
    } else {
        let log = log.json().flatten_event(true).with_filter_reloading();
        let handle = log.reload_handle();
        log.init();
        Box::new(move |filter| Ok(handle.reload(filter)?))
    }))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_verb_is_well_formed() {
        Cli::command().debug_assert();
    }
}
