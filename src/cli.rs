//! The command line. Verbs that change a running server are clients of its admin API; `serve` is the server.

// Everything is printed by `output`, which has no panic for a reader that has gone.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

mod audit;
mod banner;
pub mod caller;
mod configuration;
mod doctor;
mod drill;
mod escape;
mod exit;
mod failure;
mod health;
mod help;
mod import;
mod log;
mod models;
mod moved;
pub mod network;
mod operator;
mod pages;
mod serve;
mod standalone;
mod validate;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, FromArgMatches, Parser, Subcommand};
use stillhouse_child_server as child;
use tokio::runtime::{Builder, Runtime};

pub use crate::app::joined_causes;
use crate::{
    config::{Config, ConfigError, ServerSettings, Setting},
    control::validation::VERB,
};
use exit::Exit;
use failure::Form;

/// Serves distilled image classifiers: batched, split, swapped, watched.
#[derive(Parser)]
#[command(name = "stillhouse", arg_required_else_help = true)]
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
    Config(configuration::Verb),
    /// Check everything that a server needs: configuration, models, state, audit log, limits, engine, the running server
    Doctor(doctor::Doctor),
    /// Print the completions of a shell, e.g. `stillhouse completions bash > /etc/bash_completion.d/stillhouse`
    Completions(pages::Completions),
    /// Print the manual page, or write the pages of all verbs
    Man(pages::Man),
    /// Moved to the program `stillhouse-limit`.
    #[command(hide = true, disable_help_flag = true)]
    Limit(moved::Limit),
    /// Check the version named on standard input. The server starts this process to keep a failing version out of its own.
    #[command(name = VERB, hide = true)]
    Validate(validate::Validate),
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
        // A variable that isn't UTF-8 is none of ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Config::load(self.config.as_deref(), variables, &flags)
    }
}

/// Parses the process's arguments, runs the verb and prints its error, if any, to standard error.
///
/// It changes no environment variable. ONNX Runtime collects usage data unless
/// [`forbid_telemetry`](stillhouse_engine::forbid_telemetry) was called before; the caller must do that while the
/// process has a single thread.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let form = Form::asked_for(&arguments);
    let mut command = help::command();
    let parsed = command.try_get_matches_from_mut(arguments);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    let outcome = match parsed {
        Ok(cli) => cli.verb.run(),
        Err(error) => Ok(form.report_usage(&error.format(&mut command)).into()),
    };
    let outcome = match outcome {
        Err(error) if output::has_no_reader(&error) => Ok(Exit::Done.into()),
        outcome => outcome,
    };
    let written = output::finish().map_err(|error| anyhow::anyhow!("standard output: {error}"));
    let outcome = outcome.and_then(|code| written.map(|()| code));
    outcome.unwrap_or_else(|error| {
        form.report(&error);
        Exit::Failed.into()
    })
}

impl Verb {
    fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(serve) => serve.run(),
            Self::Health(health) => health.run(),
            Self::Import(import) => import.run(),
            Self::Models(models) => models.run(),
            Self::Audit(audit) => audit.run(),
            Self::Operator(verb) => verb.main(),
            Self::Drill(drill) => drill.run(),
            Self::Limit(limit) => Ok(limit.run()),
            Self::Config(verb) => verb.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
            Self::Validate(validate) => validate.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_well_formed() {
        help::command().debug_assert();
    }
}
