//! `stillhouse status`

use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::{Client, ClientError, tables, target::Server, watching::Watching};
use crate::{
    http::admin::{DeploymentList, DeploymentView},
    store::ModelName,
};

#[derive(Args)]
pub(in crate::cli) struct Status {
    /// Only this model
    #[arg(conflicts_with = "named")]
    model: Option<ModelName>,
    /// The same, as the other verbs have it
    #[arg(long = "model", id = "named", value_name = "MODEL")]
    named: Option<ModelName>,
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
        if let Some(model) = self.model.as_ref().or(self.named.as_ref()) {
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
