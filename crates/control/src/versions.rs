//! The versions of a model: what there is, what comes in, what is thrown away.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ControlError, ControlPlane, EventKind, journal::Entry};
use stillhouse_core::rollout::{Assignment, Role};
use stillhouse_store::{
    Directory, Incoming, ModelName, StoreError, Unpacked, VersionFiles, VersionName,
};

/// A version of the repository, as operators see it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    /// Its name.
    pub version: String,
    /// `teacher`, `stable`, `canary` or `previous`; empty where it fills none.
    pub roles: Vec<String>,
    /// Whether it is in memory.
    pub loaded: bool,
    /// SHA-256 of the network's file.
    pub sha256: Option<String>,
    /// Bytes of the network's file.
    pub size_bytes: Option<u64>,
    /// What its manifest says of it.
    pub description: Option<String>,
    /// Why its directory is no complete version.
    pub incomplete: Option<String>,
}

/// The names under which an assignment holds a version.
fn roles(assignment: &Assignment, version: &VersionName) -> Vec<&'static str> {
    let filled = Role::ALL
        .into_iter()
        .filter(|role| assignment.filling(*role) == Some(version))
        .map(Role::as_str);
    let previous = (assignment.previous.as_ref() == Some(version)).then_some("previous");
    let anchor = (assignment.compared_anchor() == Some(version)).then_some("anchor");
    filled.chain(previous).chain(anchor).collect()
}

impl ControlPlane {
    /// Every directory of a model, in natural order.
    ///
    /// # Errors
    /// The repository's.
    pub async fn versions(
        self: &Arc<Self>,
        model: &ModelName,
    ) -> Result<Vec<Listed>, ControlError> {
        let controlled = self.model(model)?;
        let (assignment, loaded) = (controlled.assignment(), controlled.pool.names());
        let directories = self.directories(model).await?;
        let listed = |directory: Directory| {
            let version = directory.version;
            let manifest = directory.manifest.as_ref();
            Listed {
                roles: roles(&assignment, &version)
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
                loaded: loaded.contains(&version),
                sha256: manifest.ok().map(|manifest| manifest.file.sha256.clone()),
                size_bytes: manifest.ok().map(|manifest| manifest.file.size_bytes),
                description: manifest.ok().map(|manifest| manifest.description.clone()),
                incomplete: manifest.err().map(ToString::to_string),
                version: version.to_string(),
            }
        };
        Ok(directories.into_iter().map(listed).collect())
    }

    /// Begins to receive a version's archive.
    ///
    /// # Errors
    /// The version exists, or the disk says no.
    pub fn receive(
        &self,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<Incoming, ControlError> {
        self.model(model)?;
        let limit = self.settings.max_upload_bytes;
        Ok(self.repository()?.receive(model, version, limit)?)
    }

    /// Makes an uploaded version visible and has its arrival handled: the intent is written down first. Blocks for the disk.
    ///
    /// # Errors
    /// A version of this name came meanwhile, the upload can't be written down, or the version can't be moved to its place.
    /// Nothing is visible then, and what had been received is removed.
    pub fn accept(
        &self,
        upload: Unpacked,
        actor: &str,
        request_id: &str,
    ) -> Result<VersionFiles, ControlError> {
        let files = upload.files();
        let entry = Entry {
            time: Timestamp::now(),
            actor: actor.to_owned(),
            action: "upload_version".into(),
            model: Some(files.model.clone()),
            reason: String::new(),
            request_id: request_id.to_owned(),
            from: None,
            to: None,
            detail: Some(
                serde_json::json!({ "version": files.version, "sha256": files.manifest.file.sha256 }),
            ),
        };
        let _gate = self.model(&files.model)?.pool.gate();
        upload.check_free()?;
        self.note(&entry)?;
        let published = match self.uploads.get() {
            Some(uploads) => uploads.publish(upload),
            None => upload.publish(),
        };
        published.map_err(|source| self.undone(&entry, source))
    }

    /// Removes a version's directory and unloads it; refused while it fills a role. The intent is written down first. Blocks
    /// for the disk.
    ///
    /// # Errors
    /// It is in use, isn't there, or the deletion can't be written down: nothing was changed. Or the directory can't be
    /// removed although that was written down: [`ControlError::NotDone`].
    pub fn delete(
        &self,
        model: &ModelName,
        version: &VersionName,
        actor: &str,
        reason: &str,
        request_id: &str,
    ) -> Result<(), ControlError> {
        let deletion = Entry {
            time: Timestamp::now(),
            actor: actor.to_owned(),
            action: "delete_version".into(),
            model: Some(model.clone()),
            reason: reason.to_owned(),
            request_id: request_id.to_owned(),
            from: None,
            to: None,
            detail: Some(serde_json::json!({ "version": version })),
        };
        self.carry_out_deletion(model, version, &deletion)
            .inspect_err(|error| self.refused(model, &deletion.action, actor, error))
    }

    fn carry_out_deletion(
        &self,
        model: &ModelName,
        version: &VersionName,
        deletion: &Entry,
    ) -> Result<(), ControlError> {
        let controlled = self.model(model)?;
        let _gate = controlled.pool.gate();
        if let Some(role) = roles(&controlled.assignment(), version).first() {
            return Err(ControlError::InUse {
                version: version.clone(),
                role,
            });
        }
        let removal = self.repository()?.prepare_removal(model, version)?;
        self.note(deletion)?;
        removal
            .finish()
            .map_err(|source| self.undone(deletion, source))?;
        if let Some(loaded) = controlled.pool.remove(version) {
            self.unloaded(&loaded);
        }
        let deleted = EventKind::Deleted {
            version: version.clone(),
            actor: deletion.actor.clone(),
        };
        self.events.publish(model, deleted);
        Ok(())
    }

    /// Writes down that what an entry announced was not done, and why.
    fn undone(&self, entry: &Entry, source: StoreError) -> ControlError {
        let undone = Entry {
            time: Timestamp::now(),
            action: format!("{}_failed", entry.action),
            reason: source.to_string(),
            ..entry.clone()
        };
        if let Err(error) = self.note(&undone) {
            let action = &entry.action;
            tracing::error!(%error, action, "the audit log announces an action that failed, and the failure could not be written down");
        }
        let action = entry.action.clone();
        ControlError::NotDone { action, source }
    }

    /// That a version is complete on disk, and what is loaded of it, too.
    ///
    /// # Errors
    /// It isn't, or isn't there; or its files were replaced since it was loaded.
    pub(super) async fn on_disk(
        self: &Arc<Self>,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<(), ControlError> {
        let repository = self.repository()?.clone();
        let (its_model, its_name) = (model.clone(), version.clone());
        let look = tokio::task::spawn_blocking(move || repository.manifest(&its_model, &its_name));
        let Ok(manifest) = look.await.map_err(|_| ControlError::Panicked)? else {
            return self.known(model, version).await;
        };
        let loaded = self.model(model)?.pool.get(version);
        match loaded.is_none_or(|loaded| loaded.manifest.file.sha256 == manifest.file.sha256) {
            true => Ok(()),
            false => Err(ControlError::FilesReplaced {
                version: version.clone(),
            }),
        }
    }

    /// That a version is complete on disk.
    ///
    /// # Errors
    /// It isn't, or isn't there; the error names what is.
    pub(super) async fn known(
        self: &Arc<Self>,
        model: &ModelName,
        version: &VersionName,
    ) -> Result<(), ControlError> {
        let repository = self.repository()?.clone();
        let (its_model, its_name) = (model.clone(), version.clone());
        let look = tokio::task::spawn_blocking(move || repository.has(&its_model, &its_name));
        if look.await.map_err(|_| ControlError::Panicked)? {
            return Ok(());
        }
        let directories = self.directories(model).await?;
        let complete = directories
            .iter()
            .filter(|directory| directory.manifest.is_ok());
        let there: Vec<&str> = complete
            .map(|directory| directory.version.as_str())
            .collect();
        Err(ControlError::UnknownVersion {
            model: model.to_string(),
            version: version.clone(),
            there: there.join(", "),
        })
    }

    async fn directories(
        self: &Arc<Self>,
        model: &ModelName,
    ) -> Result<Vec<Directory>, ControlError> {
        let (repository, model) = (self.repository()?.clone(), model.clone());
        let listing = tokio::task::spawn_blocking(move || repository.directories(&model));
        Ok(listing.await.map_err(|_| ControlError::Panicked)??)
    }
}
