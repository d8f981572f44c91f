//! What the steps of the drill use: a server, its traffic, and the commands.

use std::{path::Path, time::Duration};

use anyhow::ensure;
use serde_json::json;

use super::{
    MODEL,
    narration::Narration,
    server::DrillServer,
    traffic::{Tally, Traffic},
};
use crate::{cli::operator::Client, http::admin::DeploymentView, rollout::Assignment};

/// Longer than reading from a server on this machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server, the traffic to it, and the output.
pub(super) struct Stage {
    pub(super) narration: Narration,
    pub(super) server: DrillServer,
    pub(super) traffic: Traffic,
    pub(super) requests: u64,
}

impl Stage {
    /// Reports that the server was started.
    pub(super) fn started(&mut self, folder: &Path) {
        let config = folder.join("stillhouse.toml");
        let command = format!("stillhouse serve --config {}", config.display());
        let (data, admin) = (&self.server.data, &self.server.admin);
        let answer = json!({ "data": data, "admin": admin, "process": self.server.id() });
        let text = format!("it answers at {data}, admin at {admin}");
        self.narration.shown(&command, &answer, &text);
    }

    /// Runs a command against the drill's server, as a user would type it.
    pub(super) fn verb(&mut self, words: &[&str]) -> anyhow::Result<()> {
        let admin = self.server.admin.clone();
        self.narration.run(&[words, &["--admin", &admin]].concat())
    }

    /// Runs a command that changes something. It needs no confirmation: the reader has already pressed Enter.
    pub(super) fn change(&mut self, words: &[&str]) -> anyhow::Result<()> {
        self.verb(&[words, &["--model", MODEL, "--yes"]].concat())
    }

    /// Sends a burst of requests and shows a summary of the answers.
    pub(super) fn burst(&mut self) -> anyhow::Result<Tally> {
        let url = format!("{}/models/{MODEL}/predict", self.server.data);
        let tally = self.traffic.send(&url, self.requests)?;
        self.narration.traffic(&tally);
        Ok(tally)
    }

    /// Sends this many of the pictures' variants, all of which must be answered.
    pub(super) fn show_variants(&mut self, requests: u64) -> anyhow::Result<()> {
        let url = format!("{}/models/{MODEL}/predict", self.server.data);
        self.traffic.show_variants(&url, requests)
    }

    /// Checks that one version answered everything.
    pub(super) fn only(&self, tally: &Tally, version: &str) -> anyhow::Result<()> {
        ensure!(
            tally.versions() == [version] && tally.failed == 0,
            "{version} should have answered everything, but {:?} did, and {} requests failed",
            tally.versions(),
            tally.failed
        );
        self.narration
            .say(&format!("{version} answered every request; none failed."));
        Ok(())
    }

    /// The version in each role now.
    pub(super) fn assignment(&self) -> anyhow::Result<Assignment> {
        let client = Client::new(&self.server.admin, PATIENCE, String::new())?;
        let path = format!("/admin/models/{MODEL}");
        Ok(client.get::<DeploymentView>(&path)?.0.assignment)
    }
}
