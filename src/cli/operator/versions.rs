//! `stillhouse versions`, `load` and `delete`

use std::io::Write;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use ureq::{SendBody, http::Method};

use super::{
    client::Ask,
    confirm::{can_ask, confirmed},
    print,
    tables::{safe, with_header},
    target::{ReadTarget, Target},
};
use crate::{cli::models::Size, http::admin::VersionList, store::VersionName};

#[derive(Args)]
pub(in crate::cli) struct Versions {
    #[command(flatten)]
    target: ReadTarget,
}

impl Versions {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (client, model) = self.target.find()?;
        let path = format!("/admin/models/{model}/versions");
        let (list, json) = client.get::<VersionList>(&path)?;
        if self.target.server.json {
            return Ok(print(out, &json)?);
        }
        let mut table = with_header([
            "version",
            "roles",
            "loaded",
            "sha256",
            "size",
            "description",
        ]);
        for one in &list.versions {
            let sha256 = one.sha256.as_deref().unwrap_or("-");
            table.add_row([
                one.version.clone(),
                one.roles.join(", "),
                if one.loaded { "yes" } else { "" }.to_owned(),
                sha256.chars().take(12).collect(),
                one.size_bytes
                    .map_or_else(String::new, |bytes| Size(bytes).to_string()),
                safe(one.description.as_deref().unwrap_or_default()),
            ]);
        }
        writeln!(out, "{table}")?;
        for one in &list.versions {
            if let Some(why) = &one.incomplete {
                writeln!(out, "{model}/{} is not complete: {why}", one.version)?;
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub(in crate::cli) struct Load {
    /// The version
    version: VersionName,
    #[command(flatten)]
    target: Target,
}

impl Load {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (client, model) = self.target.find()?;
        let ask = Ask {
            method: Method::POST,
            path: &format!("/admin/models/{model}/versions/{}/load", self.version),
            headers: vec![],
            wait: client.patience(),
        };
        let loaded = client.send(&ask, SendBody::none())?;
        if self.target.server.json {
            return Ok(print(out, &loaded)?);
        }
        writeln!(
            out,
            "{model}/{} is loaded, checked and warm: {}, batches of {}, workers {}",
            self.version,
            loaded["engine"].as_str().unwrap_or("-"),
            loaded["max_batch"],
            loaded["workers"]
        )?;
        Ok(())
    }
}

#[derive(Args)]
pub(in crate::cli) struct Delete {
    /// The version
    version: VersionName,
    /// Why, for the audit log
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Don't ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    target: Target,
}

impl Delete {
    pub(super) fn run(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let (client, model) = self.target.find()?;
        let version = &self.version;
        let question = format!("remove {model}/{version} from memory and disk, for good?");
        if !self.yes && can_ask() && !confirmed(&question)? {
            bail!("nothing was removed");
        }
        let ask = Ask {
            method: Method::DELETE,
            path: &format!("/admin/models/{model}/versions/{version}"),
            headers: vec![],
            wait: client.patience(),
        };
        client.order(&ask, &json!({ "reason": self.reason }), false)?;
        if self.target.server.json {
            let done = json!({ "model": model, "version": version, "deleted": true });
            return Ok(print(out, &done)?);
        }
        writeln!(out, "{model}/{version} is gone from memory and disk")?;
        Ok(())
    }
}
