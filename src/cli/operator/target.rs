//! Which server, and which of its models.

use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::Client;
use crate::{
    cli::{ConfigSource, health::reachable},
    http::admin::DeploymentList,
    store::ModelName,
};

/// Names the admin listener where no flag does.
const ADMIN: &str = "STILLHOUSE_ADMIN";

/// The server.
#[derive(Args)]
pub(super) struct Server {
    /// The admin listener: HOST:PORT or http://HOST:PORT [default: server.admin_listen of the configuration]
    #[arg(long, value_name = "ADDRESS", env = ADMIN)]
    admin: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Seconds that a change may take: it may load a version first
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    timeout_seconds: u64,
    #[command(flatten)]
    source: ConfigSource,
}

impl Server {
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let admin = match &self.admin {
            Some(admin) => admin.clone(),
            None => reachable(self.source.load(&[])?.server.admin_listen).to_string(),
        };
        let patience = Duration::from_secs(self.timeout_seconds);
        Ok(Client::new(&admin, patience, self.flags())?)
    }

    /// The flags without which a command that is printed here would go to another server when it is pasted.
    pub(super) fn flags(&self) -> String {
        let in_environment = |name, value: &str| std::env::var(name).is_ok_and(|set| set == value);
        let mut flags = String::new();
        if let Some(admin) = &self.admin {
            if !in_environment(ADMIN, admin) {
                flags += &format!(" --admin {}", quoted(admin));
            }
            return flags;
        }
        if let Some(config) = &self.source.config {
            let config = config.display().to_string();
            if !in_environment("STILLHOUSE_CONFIG", &config) {
                flags += &format!(" --config {}", quoted(&config));
            }
        }
        for (key, value) in &self.source.sets {
            flags += &format!(" --set {}", quoted(&format!("{key}={value}")));
        }
        flags
    }
}

/// One model of a server, for the verbs whose first word is a version.
#[derive(Args)]
pub(super) struct Target {
    /// The model [default: the only one, else repository.default_model of the configuration]
    #[arg(long)]
    model: Option<ModelName>,
    #[command(flatten)]
    pub(super) server: Server,
}

/// A model as the verbs that only read take it: as a word, or by the flag that all other verbs have.
#[derive(Args)]
pub(super) struct ModelWord {
    /// The model [default: the only one, else repository.default_model of the configuration; for status, all]
    #[arg(conflicts_with = "named")]
    model: Option<ModelName>,
    /// The same, as the other verbs have it
    #[arg(long = "model", id = "named", value_name = "MODEL")]
    named: Option<ModelName>,
}

impl ModelWord {
    /// The model that is named, if one is.
    pub(super) fn name(&self) -> Option<&ModelName> {
        self.model.as_ref().or(self.named.as_ref())
    }
}

/// One model of a server, for the verbs that only read.
#[derive(Args)]
pub(super) struct ReadTarget {
    #[command(flatten)]
    model: ModelWord,
    #[command(flatten)]
    pub(super) server: Server,
}

impl ReadTarget {
    /// The client and the model's name.
    pub(super) fn find(&self) -> anyhow::Result<(Client, String)> {
        self.server.find(self.model.name())
    }
}

impl Target {
    /// The model that is named, if one is.
    pub(super) fn named(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    /// The client and the model's name.
    pub(super) fn find(&self) -> anyhow::Result<(Client, String)> {
        self.server.find(self.model.as_ref())
    }
}

impl Server {
    /// The client, and the model that is named or meant.
    fn find(&self, model: Option<&ModelName>) -> anyhow::Result<(Client, String)> {
        let client = self.client()?;
        if let Some(model) = model {
            return Ok((client, model.to_string()));
        }
        let (list, _) = client.get::<DeploymentList>("/admin/models")?;
        let names: Vec<String> = list.models.into_iter().map(|view| view.model).collect();
        if let [only] = &names[..] {
            return Ok((client, only.clone()));
        }
        let default = self.source.load(&[])?.repository.default_model;
        if names.contains(&default) {
            return Ok((client, default));
        }
        bail!(
            "this server has the models {}: name one with --model",
            names.join(", ")
        )
    }
}

/// A word as a shell reads it back.
pub(in crate::cli) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,%@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for (word, expected) in [
            ("127.0.0.1:8081", "127.0.0.1:8081"),
            ("[::1]:8081", "'[::1]:8081'"),
            ("my config.toml", "'my config.toml'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
