//! A version tried in a process of its own before it may enter this one.
#![allow(missing_docs)]
use crate::{
    store::{ModelName, VersionName},
    version::EngineSettings,
};
use std::path::Path;
pub struct Validation {}
pub struct Validated {
    pub engine: String,
    pub sha256: String,
}
#[derive(Debug, thiserror::Error)]
#[error("validation")]
pub struct ValidationError;
impl Validation {
    pub fn new(_: std::path::PathBuf, _: &super::LoadingSettings) -> Self {
        Self {}
    }
    pub async fn check(
        &self,
        _: &Path,
        _: &ModelName,
        _: &VersionName,
        _: &EngineSettings,
    ) -> Result<Validated, ValidationError> {
        Err(ValidationError)
    }
}
