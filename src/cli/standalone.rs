//! `stillhouse serve path/to/model.onnx`: a network outside of any repository.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use stillhouse_engine::EngineOptions;

use super::network::{Network, read_labels};
use crate::import::Standalone;

/// The network that is served instead of the repository.
#[derive(Args)]
pub(super) struct StandaloneNetwork {
    /// An ONNX file to serve instead of the repository
    #[arg(requires = "labels")]
    onnx: Option<PathBuf>,
    /// Its labels: one per line, class 0 first
    #[arg(long, requires = "onnx")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    network: Network,
}

impl StandaloneNetwork {
    /// Reads and describes the network, if there is one, and prints how each value was chosen.
    pub(super) fn read(&self, engine: &EngineOptions) -> anyhow::Result<Option<Standalone>> {
        let (onnx, labels) = match (&self.onnx, &self.labels) {
            (Some(onnx), Some(labels)) => (onnx, labels),
            (None, None) => return Ok(None),
            _ => bail!("an ONNX file and --labels belong together"),
        };
        say!("{}", onnx.display());
        let labels = read_labels(labels)?;
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
