//! Which version answers where no change has been made yet.

use anyhow::{Result, bail};

use super::check::quoted_key;
use crate::{
    config::Config,
    store::{Directory, Manifest, ModelName, Repository, VersionName},
};

/// The configuration's version, or the only one there is.
pub(super) fn stable(
    config: &Config,
    repository: &Repository,
    model: &ModelName,
) -> Result<VersionName> {
    let own = config.models.get(model.as_str());
    let named = |name: Option<&String>| name.filter(|name| !name.is_empty()).cloned();
    let wanted = named(own.map(|own| &own.stable));
    let teacher = named(own.map(|own| &own.teacher));
    let mut versions = repository.versions(model)?;
    let there = list(&versions);
    if let Some(missing) = [("stable", &wanted), ("teacher", &teacher)]
        .into_iter()
        .find(|(_, name)| {
            let name = name.as_deref();
            name.is_some_and(|name| !versions.iter().any(|one| one.as_str() == name))
        })
    {
        let (role, name) = (missing.0, missing.1.as_deref().unwrap_or_default());
        let directories = repository.directories(model)?;
        let why = directories.iter().find(|one| one.version.as_str() == name);
        match why.and_then(|one| one.manifest.as_ref().err()) {
            // A teacher that is half copied leaves its role empty, and the start reports it: stable can still answer.
            Some(_) if role == "teacher" => {}
            Some(error) => {
                bail!("models.{model}.{role} is `{name}`, which is not complete: {error}")
            }
            None => bail!(
                "models.{model}.{role} is `{name}`, and there is no such version in {}; {model} has {there}",
                repository.root().display()
            ),
        }
    }
    if let Some(wanted) = wanted {
        return Ok(wanted.parse()?);
    }
    match versions.len() {
        1 => Ok(versions.remove(0)),
        0 => bail!(
            "{model} has no complete version{}",
            incomplete(&repository.directories(model)?)
        ),
        _ => bail!(
            "{model} has the versions {there}, and no configuration chooses the one that answers; add to the \
             configuration:\n{}",
            proposal(repository, model, versions, teacher)
        ),
    }
}

fn list(versions: &[VersionName]) -> String {
    match versions {
        [] => "no complete version".into(),
        _ => {
            let names: Vec<&str> = versions.iter().map(VersionName::as_str).collect();
            names.join(", ")
        }
    }
}

/// A table for the configuration: a student to answer, and its teacher beside it where one is known.
fn proposal(
    repository: &Repository,
    model: &ModelName,
    versions: Vec<VersionName>,
    teacher: Option<String>,
) -> String {
    let manifest = |version| {
        repository
            .manifest(model, &version)
            .map(|read| (version, read))
    };
    let manifests: Vec<(VersionName, Manifest)> = versions
        .into_iter()
        .filter_map(|version| manifest(version).ok())
        .collect();
    let taught_by = |manifest: &Manifest| {
        let teacher = manifest.training.as_ref()?.teacher.clone()?;
        Some(teacher.rsplit('/').next().unwrap_or_default().to_owned())
    };
    let taught = manifests
        .iter()
        .filter_map(|(_, manifest)| taught_by(manifest));
    let teachers: Vec<String> = taught.chain(teacher).collect();
    let is_teacher = |name: &VersionName| teachers.iter().any(|teacher| teacher == name.as_str());
    // Students agree with their teacher to a known degree; without one, the newest name counts.
    let agreement = |manifest: &Manifest| {
        let reference = manifest.reference.as_ref();
        reference
            .and_then(|reference| reference.agreement)
            .unwrap_or(-1.0)
    };
    let best = manifests
        .iter()
        .filter(|(name, _)| !is_teacher(name))
        .max_by(|(_, a), (_, b)| agreement(a).total_cmp(&agreement(b)));
    let Some((best, chosen)) = best.or(manifests.last()) else {
        return String::new();
    };
    let mut text = format!(
        "[models.{}]\nstable = \"{best}\"",
        quoted_key(model.as_str())
    );
    let there = |teacher: &String| manifests.iter().any(|(name, _)| name.as_str() == *teacher);
    if let Some(teacher) = taught_by(chosen).filter(there) {
        text += &format!("\nteacher = \"{teacher}\"");
    }
    text
}

/// Why none of these directories is a version, one per line.
fn incomplete(directories: &[Directory]) -> String {
    let mistakes = directories.iter().filter_map(|directory| {
        let error = directory.manifest.as_ref().err()?;
        Some(format!("\n{}: {error}", directory.version))
    });
    mistakes.collect()
}
