//! The model repository: every version's files, and the networks of those with a role, each in a process of its own as the
//! server does it.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use crate::{
    app::{
        self,
        check::{Role, roles},
    },
    config::Config,
    control::validation::{Subject, Validation},
    store::{ModelName, Repository, VersionName},
};

const AREA: &str = "models";

/// `every` also loads the versions without a role.
pub(super) fn check(config: &Config, every: bool) -> anyhow::Result<Vec<Finding>> {
    let repository = match app::check::repository(config) {
        Ok(repository) => repository,
        // The configuration's check has said so.
        Err(_) => return Ok(vec![]),
    };
    let mut findings = Vec::new();
    let roles = roles(config, &repository).unwrap_or_default();
    let mut to_load: BTreeMap<(ModelName, VersionName), BTreeSet<&'static str>> = BTreeMap::new();
    for Role {
        model,
        version,
        role,
    } in roles
    {
        to_load.entry((model, version)).or_default().insert(role);
    }
    let mut good = 0;
    for model in repository.models()? {
        for directory in repository.directories(&model)? {
            let version = directory.version;
            let name = format!("{model}/{version}");
            let in_role = to_load.contains_key(&(model.clone(), version.clone()));
            let read = directory
                .manifest
                .and_then(|_| repository.read(&model, &version).map(drop));
            match read {
                Ok(()) => {
                    good += 1;
                    if every {
                        to_load.entry((model.clone(), version)).or_default();
                    }
                }
                Err(error) => {
                    let text = format!("{name} is not complete: {error}");
                    let next = format!(
                        "stillhouse models check {name}; copy the folder again, or delete it"
                    );
                    findings.push(match in_role {
                        true => Finding::failed(AREA, text, next),
                        false => Finding::warning(AREA, text, next),
                    });
                    to_load.remove(&(model.clone(), version));
                }
            }
        }
    }
    if good > 0 {
        let text = format!("{good} versions are complete, with the hashes of their manifests");
        findings.push(Finding::ok(AREA, text));
    }
    findings.extend(load(config, &repository, to_load)?);
    Ok(findings)
}

fn load(
    config: &Config,
    repository: &Repository,
    versions: BTreeMap<(ModelName, VersionName), BTreeSet<&'static str>>,
) -> anyhow::Result<Vec<Finding>> {
    let validation = Validation::new(std::env::current_exe()?, &config.loading);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut findings = Vec::new();
    for ((model, version), roles) in versions {
        let own = config.models.get(model.as_str());
        let engine = own
            .and_then(|own| own.engine.as_ref())
            .unwrap_or(&config.engine);
        let name = format!("{model}/{version}");
        let words: Vec<&str> = roles.iter().copied().collect();
        let role = match words.is_empty() {
            true => "no role".to_owned(),
            false => words.join(", "),
        };
        let subject = Subject {
            repository: repository.root().into(),
            model,
            version,
            engine: engine.clone(),
            batch: own
                .and_then(|own| own.batch.as_ref())
                .unwrap_or(&config.batch)
                .clone(),
            beside_traffic: false,
        };
        let checked = validation.check(subject);
        findings.push(match runtime.block_on(checked) {
            Ok(validated) => Finding::ok(
                AREA,
                format!(
                    "{name} ({role}) reproduces its golden samples on {}",
                    validated.engine
                ),
            ),
            Err(error) => {
                let text = format!("{name} ({role}) can't be served: {error}");
                let next = format!("stillhouse models check {name}");
                match roles.is_empty() {
                    true => Finding::warning(AREA, text, next),
                    false => Finding::failed(AREA, text, next),
                }
            }
        });
    }
    Ok(findings)
}
