//! The subcommands: they parse arguments, call the library and print tables.

mod evaluate;
mod export;
mod plan;
mod reference;
mod samples;
mod sweep;
mod train;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Trains small students from any ONNX teacher, and writes them as versions of a model repository.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a network on labels alone
    TrainTeacher(train::Arguments),
    /// Train a network on a teacher's probabilities
    TrainStudent(train::Arguments),
    /// Run all trainings of a plan and print their table
    Plan(plan::Arguments),
    /// Search for the best settings: grid or random, with successive halving
    Sweep(sweep::Arguments),
    /// Write some test pictures as PNG files
    Samples(samples::Arguments),
    /// Measure a network, or two side by side, on labelled pictures
    Evaluate(evaluate::Arguments),
    /// Write a run's network as a version of a model repository
    Export(export::Arguments),
    /// Measure existing versions on test pictures and update the reference in their manifests
    Reference(reference::Arguments),
}

impl Cli {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::TrainTeacher(arguments) => arguments.run(false),
            Command::TrainStudent(arguments) => arguments.run(true),
            Command::Plan(arguments) => arguments.run(),
            Command::Sweep(arguments) => arguments.run(),
            Command::Samples(arguments) => arguments.run(),
            Command::Evaluate(arguments) => arguments.run(),
            Command::Export(arguments) => arguments.run(),
            Command::Reference(arguments) => arguments.run(),
        }
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}
