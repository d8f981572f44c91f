//! What is measured: a version's files and a picture for it.

use std::{fs, path::Path};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;

use crate::{
    cli::network::Network,
    config::Config,
    image::{self, Format, Limits},
    import,
    store::{Labels, NewVersion, Repository, StoreError, VersionFiles, VersionName},
};
use stillhouse_engine::EngineOptions;

/// One version with one picture.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The version.
    pub files: VersionFiles,
    /// A file in one of the formats that are read.
    pub picture: Bytes,
    /// For people: where the picture comes from.
    pub picture_origin: String,
}

impl Subject {
    /// Puts a picture to a version: the one in `given`, else the first of its golden samples, else a drawn one.
    ///
    /// # Errors
    /// A file that can't be read, or that the server would refuse.
    pub fn new(files: VersionFiles, given: Option<&Path>, limits: &Limits) -> anyhow::Result<Self> {
        let (picture, picture_origin) = match (given, files.golden.first()) {
            (Some(path), _) => {
                let bytes = fs::read(path).with_context(|| path.display().to_string())?;
                (bytes.into(), path.display().to_string())
            }
            (None, Some(golden)) => {
                let origin = format!("golden sample {}", golden.name);
                (golden.image.clone(), origin)
            }
            (None, None) => {
                let (name, picture) = import::drawn(&files.manifest.transform).swap_remove(0);
                (picture, format!("drawn: {name}"))
            }
        };
        image::decode(&picture, limits, &files.manifest.transform).map_err(|error| {
            anyhow!(
                "{picture_origin}: {error}\nnext: name a picture that the server reads (PNG, JPEG or WebP) with \
                 --picture FILE"
            )
        })?;
        Ok(Self {
            files,
            picture,
            picture_origin,
        })
    }

    /// Format, width and height.
    ///
    /// # Errors
    /// None for a picture that has been decoded once.
    pub fn picture_header(&self) -> anyhow::Result<image::Header> {
        Ok(image::probe(&self.picture)?)
    }

    /// The picture's `Content-Type`.
    ///
    /// # Errors
    /// As [`Subject::picture_header`].
    pub fn content_type(&self) -> anyhow::Result<&'static str> {
        Ok(match self.picture_header()?.format {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::WebP => "image/webp",
        })
    }

    /// The same as what a repository is made of.
    pub fn new_version(&self) -> NewVersion {
        NewVersion {
            manifest: self.files.manifest.clone(),
            labels: self.files.labels.clone(),
            model_bytes: self.files.model_bytes.clone(),
            golden: self.files.golden.clone(),
        }
    }
}

/// A version of the repository; without a name, the one that the configuration or the repository leaves no doubt about.
pub(super) fn from_repository(config: &Config, target: &str) -> anyhow::Result<VersionFiles> {
    let repository = Repository::open(&config.repository.path)
        .context("next: say where the models are with --models FOLDER")?;
    let (model, version) = match target.split_once('/') {
        Some((model, version)) => (model, Some(version)),
        None => (target, None),
    };
    let model = model.parse()?;
    let versions = repository
        .versions(&model)
        .map_err(|error| anyhow!("{error}\nnext: stillhouse models list"))?;
    let listed: Vec<&str> = versions.iter().map(VersionName::as_str).collect();
    let listed = listed.join(", ");
    let configured = config.models.get(model.as_str()).map(|own| &*own.stable);
    let version: VersionName = match (version, configured, &versions[..]) {
        (Some(named), ..) => named.parse()?,
        (None, Some(stable), _) if !stable.is_empty() => stable.parse()?,
        (None, _, [only]) => only.clone(),
        (None, _, []) => bail!("{model} has no complete version\nnext: stillhouse models list"),
        (None, _, [first, ..]) => bail!(
            "{model} has the versions {listed}: which one?\nnext: stillhouse limit {model}/{first}"
        ),
    };
    repository
        .read(&model, &version)
        .map_err(|error| match error {
            StoreError::Missing { .. } if !versions.contains(&version) => {
                let next = versions
                    .first()
                    .map_or("stillhouse models list".to_owned(), |first| {
                        format!("stillhouse limit {model}/{first}")
                    });
                anyhow!("{model} has no version {version}, only {listed}\nnext: {next}")
            }
            other => anyhow!("{other}\nnext: stillhouse models check {model}/{version}"),
        })
}

/// An ONNX file as `serve` takes it. How every question was decided is told on standard error: standard output belongs to
/// the figures.
pub(super) fn from_onnx(
    onnx: &Path,
    labels: Option<&Path>,
    network: &Network,
    engine: &EngineOptions,
) -> anyhow::Result<VersionFiles> {
    let path = labels.with_context(|| {
        format!(
            "an ONNX file needs its labels, one a line\nnext: stillhouse limit {} --labels labels.txt",
            onnx.display()
        )
    })?;
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let read: Result<(Labels, _), _> = import::read_labels(&text);
    let (labels, choices) = read.map_err(|detail| anyhow!("{}: {detail}", path.display()))?;
    choices.iter().for_each(|choice| eprintln!("  {choice}"));
    let described = network.describe(onnx, &labels, "", engine)?;
    let standalone = described.into_standalone(onnx)?;
    standalone
        .choices
        .iter()
        .for_each(|choice| eprintln!("  {choice}"));
    Ok(standalone.files)
}
