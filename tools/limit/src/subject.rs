//! What is measured: a version's files and a picture.

use std::{fs, path::Path};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;

use stillhouse::{
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
    /// A PNG, JPEG or WebP file.
    pub picture: Bytes,
    /// Where the picture comes from, as text.
    pub picture_origin: String,
}

impl Subject {
    /// Chooses the picture: the file `given`, else the version's first golden sample, else a generated one.
    ///
    /// # Errors
    /// The file can't be read, or the server would refuse the picture.
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
                (picture, format!("generated: {name}"))
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
    /// Like [`Subject::picture_header`].
    pub fn content_type(&self) -> anyhow::Result<&'static str> {
        Ok(match self.picture_header()?.format {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::WebP => "image/webp",
        })
    }

    /// The version in the form that a repository writes.
    pub fn new_version(&self) -> NewVersion {
        NewVersion {
            manifest: self.files.manifest.clone(),
            labels: self.files.labels.clone(),
            model_bytes: self.files.model_bytes.clone(),
            golden: self.files.golden.clone(),
        }
    }
}

/// Reads `model/version` from the repository, or `model` if the configuration names its stable version or it has only one.
///
/// # Errors
/// No such version, several without a choice, or one that can't be read; each with the next command.
pub fn from_repository(config: &Config, target: &str) -> anyhow::Result<VersionFiles> {
    let repository = Repository::open(&config.repository.path)
        .context("next: name the folder of the models with --models FOLDER")?;
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
            "{model} has the versions {listed}: which one?\nnext: stillhouse-limit {model}/{first}"
        ),
    };
    repository
        .read(&model, &version)
        .map_err(|error| match error {
            StoreError::Missing { .. } if !versions.contains(&version) => {
                let next = versions
                    .first()
                    .map_or("stillhouse models list".to_owned(), |first| {
                        format!("stillhouse-limit {model}/{first}")
                    });
                anyhow!("{model} has no version {version}, only {listed}\nnext: {next}")
            }
            other => anyhow!("{other}\nnext: stillhouse models check {model}/{version}"),
        })
}

/// An ONNX file as `serve` takes it. The choices made for it are printed to standard error, because standard output is for the
/// results.
///
/// # Errors
/// Files that can't be read, or a network that can't be served.
pub fn from_onnx(
    onnx: &Path,
    labels: Option<&Path>,
    network: &Network,
    engine: &EngineOptions,
) -> anyhow::Result<VersionFiles> {
    let path = labels.with_context(|| {
        format!(
            "an ONNX file needs its labels, one per line\nnext: stillhouse-limit {} --labels labels.txt",
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
