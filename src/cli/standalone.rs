//! `stillhouse serve path/to/model.onnx`: a network outside of any repository.

use std::path::PathBuf;

use clap::Args;
use stillhouse_engine::EngineOptions;

use super::network::{Network, read_labels};
use crate::import::Standalone;

/// The network that is served instead of the repository.
#[derive(Args)]
pub(super) struct StandaloneNetwork {
    /// An ONNX file to serve instead of the repository
    onnx: Option<PathBuf>,
    /// Its labels: one per line, class 0 first [default: the classes' numbers]
    #[arg(long, requires = "onnx")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
}

impl StandaloneNetwork {
    /// Whether there is one.
    pub(super) fn is_given(&self) -> bool {
        self.onnx.is_some()
    }

    /// Reads and describes the network, if there is one, and prints how each value was chosen.
    pub(super) fn read(&self, engine: &EngineOptions) -> anyhow::Result<Option<Standalone>> {
        let Some(onnx) = &self.onnx else {
            return Ok(None);
        };
        say!("{}", onnx.display());
        let labels = match &self.labels {
            Some(path) => read_labels(path)?,
            None => self.network.numbered_labels(onnx)?,
        };
        let standalone = self
            .network
            .describe(onnx, &labels, "", engine)?
            .into_standalone(onnx)?;
        standalone
            .choices
            .iter()
            .for_each(|choice| say!("  {choice}"));
        Ok(Some(standalone))
    }
}
