//! What `serve` requires beyond single values: values that fit together, and files that are there. `config check` and
//! `doctor` call the same functions, so they can't disagree with the start.

use std::{collections::BTreeMap, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, bail};

use super::{
    admission,
    choice::{Chosen, choose, models},
    joined_causes,
};
use crate::{
    config::{Config, ModelSettings},
    control::journal,
    rollout::Assignment,
    store::{ModelName, Repository, VersionName},
    strict::suggest,
};

/// What is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The model repository.
    Repository,
    /// One ONNX file.
    File,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Examined {
    /// `serve` would end with each of these.
    pub faults: Vec<String>,
    /// It would log these and start.
    pub warnings: Vec<String>,
}

/// Examines a configuration as `serve` does before it binds or loads anything.
pub fn examine(config: &Config, served: Served) -> Examined {
    let mut faults = relations(config);
    let mut warnings = warnings(config);
    if let Err(error) = admission(config) {
        faults.push(joined_causes(&error));
    }
    if served == Served::Repository {
        match repository(config).and_then(|repository| looked_up(config, &repository)) {
            Ok((chosen, _)) => {
                let left_out = chosen.left_out.iter();
                warnings
                    .extend(left_out.map(|(model, why)| format!("{model} isn't served: {why}")));
            }
            Err(error) => faults.push(joined_causes(&error)),
        }
    }
    Examined { faults, warnings }
}

/// The repository that the configuration names.
///
/// # Errors
/// It isn't there or can't be read; says which flag names another.
pub fn repository(config: &Config) -> Result<Repository> {
    let path = &config.repository.path;
    Repository::open(path).with_context(|| {
        format!(
            "the model repository {} can't be used: name another folder with --models FOLDER or in repository.path; \
             `stillhouse import … --models FOLDER` makes one",
            path.display()
        )
    })
}

/// A version that has something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its model.
    pub model: ModelName,
    /// Its name.
    pub version: VersionName,
    /// `stable`, `teacher`, `canary` or `previous`.
    pub role: &'static str,
}

/// The versions that a server would load at its start.
///
/// # Errors
/// Those of [`examine`].
pub fn roles(config: &Config, repository: &Repository) -> Result<Vec<Role>> {
    let (chosen, remembered) = looked_up(config, repository)?;
    let mut roles = Vec::new();
    for spec in chosen.specs {
        let last = remembered.get(&spec.model);
        let stable = last.map_or(&spec.stable, |last| &last.stable);
        let teacher = last.map_or(spec.teacher.as_ref(), |last| last.teacher.as_ref());
        let canary = last.and_then(|last| last.canary.as_ref());
        let previous = last.and_then(|last| last.previous.as_ref());
        for (role, version) in [
            ("stable", Some(stable)),
            ("teacher", teacher),
            ("canary", canary),
            ("previous", previous),
        ] {
            roles.extend(version.map(|version| Role {
                model: spec.model.clone(),
                version: version.clone(),
                role,
            }));
        }
    }
    Ok(roles)
}

/// What a start would choose, and who answered last; beside a running server, too, so the journal is only read.
fn looked_up(
    config: &Config,
    repository: &Repository,
) -> Result<(Chosen, BTreeMap<ModelName, Assignment>)> {
    let models = models(config, repository)?;
    let remembered = journal::remembered(&config.control)?;
    Ok((choose(config, repository, models, &remembered)?, remembered))
}

/// Values that are good alone and not together.
pub(super) fn relations(config: &Config) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(port) = shared_port(config.server.listen, config.server.admin_listen) {
        faults.push(format!(
            "server.listen and server.admin_listen are both on port {port}: choose another for one of them"
        ));
    }
    let no_settings = ModelSettings::default();
    let all = std::iter::once((None, &no_settings));
    let models = config.models.iter().map(|(name, own)| (Some(name), own));
    for (name, own) in all.chain(models) {
        let place = name.map_or_else(String::new, |name| format!("models.{name}: "));
        let checks: [Result<(), String>; 3] = [
            own.engine
                .as_ref()
                .unwrap_or(&config.engine)
                .resolve()
                .map(drop)
                .map_err(|e| e.to_string()),
            own.shadow
                .as_ref()
                .unwrap_or(&config.shadow)
                .check()
                .map_err(|e| e.to_string()),
            own.judge
                .as_ref()
                .unwrap_or(&config.judge)
                .check()
                .map_err(|e| format!("judge: {e}")),
        ];
        let wrong = checks.into_iter().filter_map(Result::err);
        for error in wrong.map(|error| format!("{place}{error}")) {
            // A model without tables of its own has the general faults again.
            if !faults.iter().any(|known| error.ends_with(known.as_str())) {
                faults.push(error);
            }
        }
    }
    faults
}

/// The port of two addresses that can't both be bound.
fn shared_port(one: SocketAddr, other: SocketAddr) -> Option<u16> {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    let shared = one.port() == other.port() && one.port() != 0;
    (shared && (one.ip() == other.ip() || everywhere)).then_some(one.port())
}

/// What deserves a look, and doesn't keep a server from starting.
pub fn warnings(config: &Config) -> Vec<String> {
    let names: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    let mut warnings = Config::unread_variables(names.iter().map(String::as_str));
    let secrets = [
        ("admin.tokens_file", &config.admin.tokens_file),
        ("control.audit_key_file", &config.control.audit_key_file),
    ];
    for (key, path) in secrets {
        if !path.as_os_str().is_empty() {
            warnings.extend(readable_by_all(key, path));
        }
    }
    warnings
}

/// A warning about a file of secrets that every user of the machine can read.
pub fn readable_by_all(what: &str, path: &Path) -> Option<String> {
    let mode = path.metadata().ok()?.permissions().mode();
    (mode & 0o004 != 0).then(|| {
        format!(
            "{what} {} can be read by every user of this machine (mode {:04o}): chmod o-rwx {0}",
            path.display(),
            mode & 0o7777
        )
    })
}

/// Every model that the configuration names must be there.
pub(super) fn named_models(
    config: &Config,
    repository: &Repository,
    models: &[ModelName],
) -> Result<()> {
    let there: Vec<&str> = models.iter().map(ModelName::as_str).collect();
    let default = &config.repository.default_model;
    let default = (!default.is_empty()).then_some(("repository.default_model".to_owned(), default));
    let tables = config.models.keys();
    let tables = tables.map(|name| (format!("the table [models.{}]", quoted_key(name)), name));
    for (place, name) in tables.chain(default) {
        if !there.contains(&name.as_str()) {
            bail!(
                "{place} names the model `{name}`, which is not in {}: {}",
                repository.root().display(),
                suggest(name, &there)
            );
        }
    }
    Ok(())
}

/// A name as a key of TOML: one with a dot would be two keys.
pub(super) fn quoted_key(name: &str) -> String {
    match name.contains('.') {
        true => format!("\"{name}\""),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
