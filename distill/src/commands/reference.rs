//! `reference`: measures existing versions.

use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use stillhouse_distill::{
    config::Config, datasets::Splits, devices, reference::Validation, teacher, train::logits,
    version_path::VersionPath,
};
use stillhouse_image::Transform;
use stillhouse_store::{NewVersion, VersionFiles};

use super::percent;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Versions, as REPOSITORY/MODEL/VERSION
    #[arg(required = true)]
    versions: Vec<PathBuf>,
    /// The TOML file whose test pictures are used
    #[arg(long)]
    config: PathBuf,
    /// Set one key of the file (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The teacher, for agreement and divergence of the other versions
    #[arg(long)]
    teacher: Option<PathBuf>,
    /// Replace the reference of a version that has one
    #[arg(long)]
    force: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<()> {
        let config = Config::load(&self.config, &self.set)?;
        let data = Splits::read(&config.data, &config.transform, config.seed)?;
        ensure!(
            !data.test.is_empty(),
            "{} names no test pictures: set data.test",
            self.config.display()
        );
        let places = self.versions.iter().map(|path| {
            let version_path = VersionPath::of(path)?;
            self.fits(&version_path.read()?, &data.labels, &config.transform, path)?;
            Ok((version_path, path))
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        let answers = |path: &Path| -> Result<Vec<f32>> {
            let mut network = teacher::open(path, &config.transform, &devices::parse("cpu")?)?;
            logits(network.as_mut(), &data.test, config.size())
                .with_context(|| format!("running {}", path.display()))
        };
        let teacher = self.teacher.as_deref().map(answers).transpose()?;
        for (version_path, path) in places {
            let files = version_path.read()?;
            let own = answers(path)?;
            let itself = self
                .teacher
                .as_ref()
                .is_some_and(|teacher| same(teacher, path));
            let reference = Validation {
                pictures: &data.test,
                transform: &files.manifest.transform,
                logits: &own,
                teacher: teacher.as_deref().filter(|_| !itself),
                classes: data.labels.len(),
            }
            .reference();
            println!(
                "{}: {} of {} pictures answered, accuracy {}, agreement {}, ventiles of {}",
                path.display(),
                reference.samples,
                data.test.len(),
                percent(reference.accuracy),
                percent(reference.agreement),
                Vec::from_iter(reference.ventiles.keys().cloned()).join(", ")
            );
            let mut manifest = files.manifest;
            manifest.reference = Some(reference);
            let new = NewVersion {
                manifest,
                labels: files.labels,
                model_bytes: files.model_bytes,
                golden: files.golden,
            };
            // Only the reference changes, and --force was checked above.
            version_path.write(&new, true)?;
        }
        Ok(())
    }

    fn fits(
        &self,
        files: &VersionFiles,
        labels: &[String],
        transform: &Transform,
        path: &Path,
    ) -> Result<()> {
        ensure!(
            self.force || files.manifest.reference.is_none(),
            "{} has a reference: replace it with --force",
            path.display()
        );
        ensure!(
            files.labels[..] == *labels,
            "{} has the labels {}, {} has {}: they must be the same",
            path.display(),
            files.labels.join(", "),
            self.config.display(),
            labels.join(", ")
        );
        let its = &files.manifest.transform;
        // Normalisation may differ between networks, but resizing was already applied to the data set.
        let pixels = Transform {
            layout: its.layout,
            scale: its.scale,
            mean: its.mean.clone(),
            std: its.std.clone(),
            ..transform.clone()
        };
        ensure!(
            pixels == *its,
            "{} resizes pictures with {its:?}, {} with {transform:?}: they must be the same",
            path.display(),
            self.config.display()
        );
        Ok(())
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().ok();
    whole(one).is_some() && whole(one) == whole(other)
}
