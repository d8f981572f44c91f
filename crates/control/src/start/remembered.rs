//! What an earlier process left: who answered, and what it knew of its canaries.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Dependencies, ModelSpec};
use crate::{
    checkpoint::{self, RecoveredTrials},
    journal::{Entry, Journal},
    judge::Criteria,
    load::LoadError,
};
use stillhouse_core::{rollout::Assignment, shadow::ShadowSettings, version::EngineSettings};
use stillhouse_store::{ModelName, sha256};

/// The journal, repaired, and who answered last.
pub(super) fn recover(
    parts: &mut Dependencies,
) -> (Option<Journal>, BTreeMap<ModelName, Assignment>) {
    let Some(journal) = parts.journal.take() else {
        return (None, BTreeMap::new());
    };
    let (journal, recovered) = journal.into_ready();
    for note in &recovered.notes {
        tracing::warn!(path = %parts.state_path.display(), note, "journal");
    }
    for doubt in &recovered.doubts {
        tracing::error!(path = %parts.state_path.display(), doubt, "the journal was changed by somebody else");
    }
    (Some(journal), recovered.assignments)
}

/// What an earlier process knew of its canaries.
pub(super) fn recover_trials(parts: &Dependencies) -> RecoveredTrials {
    if parts.repository.is_none() {
        return RecoveredTrials::default();
    }
    checkpoint::read(&parts.state_path, &parts.seal).unwrap_or_else(|reason| {
        let path = parts.state_path.display();
        tracing::warn!(%path, reason, "trials.json isn't read: the evidence of canaries begins anew");
        RecoveredTrials::default()
    })
}

/// SHA-256 of everything in the configuration that the evidence of a trial depends on.
pub(super) fn configuration(
    criteria: &Criteria,
    shadow: &ShadowSettings,
    engine: &EngineSettings,
) -> String {
    let settings = serde_json::to_vec(&(criteria, shadow, engine));
    sha256(&settings.expect("settings are plain values"))
}

/// Logs where the journal overrules the configuration.
pub(super) fn overruled(spec: &ModelSpec, last: &Assignment) {
    if last.stable != spec.stable {
        tracing::info!(
            model = %spec.model,
            stable = %last.stable,
            configured = %spec.stable,
            generation = last.generation,
            "the journal says who answers; the configuration counts for a first start only"
        );
    }
}

pub(super) fn lost(
    model: &ModelName,
    from: &Assignment,
    to: &Assignment,
    why: &LoadError,
) -> Entry {
    Entry {
        time: Timestamp::now(),
        actor: "stillhouse".into(),
        action: "lost_version".into(),
        model: Some(model.clone()),
        reason: why.to_string(),
        request_id: String::new(),
        from: Some(from.clone()),
        to: Some(to.clone()),
        detail: None,
    }
}
