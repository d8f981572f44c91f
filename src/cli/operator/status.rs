//! `stillhouse status`

use std::{
    io::{self, IsTerminal, Write},
    thread,
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};

use super::{Client, ClientError, print, tables, target::Server};
use crate::{
    http::admin::{DeploymentList, DeploymentView},
    store::ModelName,
};

/// Home, and nothing below.
const CLEAR: &str = "\x1b[H\x1b[J";

#[derive(Args)]
pub(in crate::cli) struct Status {
    /// Only this model
    #[arg(conflicts_with = "named")]
    model: Option<ModelName>,
    /// The same, as the other verbs have it
    #[arg(long = "model", id = "named", value_name = "MODEL")]
    named: Option<ModelName>,
    /// Again and again, until Ctrl-C; with --json one object a line
    #[arg(long)]
    watch: bool,
    /// Seconds between two looks
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    interval_seconds: u64,
    #[command(flatten)]
    server: Server,
}

impl Status {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let client = self.server.client()?;
        let (views, json) = self.look(&client)?;
        if !self.watch {
            match self.server.json {
                true => print(out, &json)?,
                false => writeln!(out, "{}", text(&views))?,
            }
            return Ok(());
        }
        let clear = if io::stdout().is_terminal() {
            CLEAR
        } else {
            ""
        };
        let mut seen = Ok::<_, ClientError>((views, json));
        loop {
            // A server that restarts is worth waiting for.
            match (&seen, self.server.json) {
                (Ok((_, json)), true) => writeln!(out, "{json}")?,
                (Ok((views, _)), false) => writeln!(out, "{clear}{}", text(views))?,
                (Err(error), true) => writeln!(out, "{}", json!({ "error": error.to_string() }))?,
                (Err(error), false) => writeln!(out, "{clear}error: {error}")?,
            }
            out.flush()?;
            thread::sleep(Duration::from_secs(self.interval_seconds));
            seen = self.look(&client);
        }
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
