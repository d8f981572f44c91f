//! `stillhouse status`

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::{
    Client, ClientError, tables,
    target::{ModelWord, Server},
    watching::Watching,
};
use crate::http::admin::{DeploymentList, DeploymentView};

#[derive(Args)]
pub(in crate::cli) struct Status {
    #[command(flatten)]
    model: ModelWord,
    #[command(flatten)]
    watching: Watching,
    #[command(flatten)]
    server: Server,
}

impl Status {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let client = self.server.client()?;
        let look = || self.look(&client);
        self.watching
            .run(self.server.json, out, look, |views| text(views))
    }

    fn look(&self, client: &Client) -> Result<(Vec<DeploymentView>, Value), ClientError> {
        if let Some(model) = self.model.name() {
            let (view, json) = client.get(&format!("/admin/models/{model}"))?;
            return Ok((vec![view], json));
        }
        let (list, json) = client.get::<DeploymentList>("/admin/models")?;
        Ok((list.models, json))
    }
}

fn text(views: &[DeploymentView]) -> String {
    let texts: Vec<String> = views.iter().map(tables::deployment).collect();
    texts.join("\n")
}
