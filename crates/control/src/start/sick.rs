//! What can't be served at a start, and what to do about it.

use std::collections::BTreeMap;

use super::Dependencies;
use stillhouse_store::{Directory, ModelName, VersionName};

/// What to do about a stable version that can't be served.
pub(super) fn advice(
    parts: &Dependencies,
    model: &ModelName,
    version: &VersionName,
    remembered: bool,
) -> String {
    let Some(repository) = &parts.repository else {
        return String::new();
    };
    let path = repository
        .root()
        .join(model.as_str())
        .join(version.as_str());
    let path = path.display();
    let mut others = repository.versions(model).unwrap_or_default();
    others.retain(|other| other != version);
    let Some(other) = others.last() else {
        return format!(
            "\nput {path} back, from a backup or with `stillhouse import`; {model} has no other version"
        );
    };
    let names: Vec<&str> = others.iter().map(VersionName::as_str).collect();
    let begin_anew = match remembered {
        true => {
            let state = parts.state_path.display();
            format!("mv {state} {state}.old && ")
        }
        false => String::new(),
    };
    format!(
        "\nput {path} back, or begin with another version ({}): {begin_anew}stillhouse serve --set models.{model}.stable={other}",
        names.join(", ")
    )
}

/// Logs once what in the repository isn't served although it may have been meant to be.
pub(super) fn report(parts: &Dependencies, sick: &BTreeMap<ModelName, String>) {
    for (model, reason) in sick {
        tracing::error!(%model, reason, "this model isn't served: it has no version that can be");
    }
    let Some(repository) = &parts.repository else {
        return;
    };
    for model in repository.models().unwrap_or_default() {
        for Directory { version, manifest } in repository.directories(&model).unwrap_or_default() {
            if let Err(error) = manifest {
                tracing::warn!(%model, %version, %error, "no complete version");
            }
        }
    }
}
