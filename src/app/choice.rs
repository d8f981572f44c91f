//! Which models are served, and which version of each answers first.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::{check, first_version};
use crate::{
    config::Config,
    control::{ModelSpec, Standalone},
    rollout::Assignment,
    store::{ModelName, Repository, VersionName},
};

/// The models of a repository.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) specs: Vec<ModelSpec>,
    /// Those without a version that could be served, each with the reason.
    pub(super) left_out: BTreeMap<ModelName, String>,
}

/// The models of a repository, with every one that the configuration names.
///
/// # Errors
/// One isn't there, or there is none at all.
pub(super) fn models(config: &Config, repository: &Repository) -> Result<Vec<ModelName>> {
    let models = repository.models()?;
    check::named_models(config, repository, &models)?;
    if models.is_empty() {
        bail!(
            "there is no model in {}; make one with `stillhouse import model.onnx --model NAME --version v1`",
            repository.root().display()
        );
    }
    Ok(models)
}

/// The configuration of every model in the repository. One that nobody has named and that has no complete version, because
/// its folder is empty or half copied, keeps no other from starting.
///
/// What the journal remembers counts; the configuration's versions may have gone since.
pub(super) fn choose(
    config: &Config,
    repository: &Repository,
    models: Vec<ModelName>,
    remembered: &BTreeMap<ModelName, Assignment>,
) -> Result<Chosen> {
    let mut chosen = Chosen::default();
    for model in models {
        let own = config.models.get(model.as_str());
        let named = own.is_some() || config.repository.default_model == model.as_str();
        let (version, required) = match remembered.get(&model) {
            Some(last) => {
                let wanted = own.and_then(|own| own.stable.parse().ok());
                (wanted.unwrap_or_else(|| last.stable.clone()), true)
            }
            None => match first_version::stable(config, repository, &model) {
                Ok(version) => (version, named),
                Err(error) if !named && is_empty(repository, &model) => {
                    chosen.left_out.insert(model, error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        let spec = model_spec(config, model, version, None)?;
        chosen.specs.push(ModelSpec { required, ..spec });
    }
    if chosen.specs.is_empty() {
        let reasons: Vec<&str> = chosen.left_out.values().map(String::as_str).collect();
        bail!("no model can be served: {}", reasons.join("\n"));
    }
    Ok(chosen)
}

/// Whether a model has no complete version.
fn is_empty(repository: &Repository, model: &ModelName) -> bool {
    repository
        .versions(model)
        .map_or(true, |versions| versions.is_empty())
}

/// A model's own tables if it has them, else the general ones; `check::relations` has found them good.
pub(super) fn model_spec(
    config: &Config,
    model: ModelName,
    stable: VersionName,
    standalone: Option<Standalone>,
) -> Result<ModelSpec> {
    let own = config
        .models
        .get(model.as_str())
        .cloned()
        .unwrap_or_default();
    // A single file has no teacher here.
    let teacher = Some(own.teacher).filter(|name| standalone.is_none() && !name.is_empty());
    let shadow = own.shadow.unwrap_or_else(|| config.shadow.clone());
    let criteria = own.judge.unwrap_or_else(|| config.judge.clone());
    Ok(ModelSpec {
        model,
        stable,
        required: true,
        teacher: teacher.map(|name| name.parse()).transpose()?,
        engine: own.engine.unwrap_or_else(|| config.engine.clone()),
        batch: own.batch.unwrap_or_else(|| config.batch.clone()),
        routing: own.routing.unwrap_or_else(|| config.routing.clone()),
        arrivals: (
            own.on_arrival.unwrap_or(config.loading.on_arrival),
            own.arrival_share.unwrap_or(config.loading.arrival_share),
        ),
        shadow,
        drift: config.drift.clone(),
        criteria,
        standalone,
    })
}
