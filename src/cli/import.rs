//! `stillhouse import`

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};

use super::{
    ConfigSource,
    network::{Network, read_labels},
};
use crate::{
    golden::preflight,
    import::{outputs::Outputs, proof, reference, truth::Truth, validation},
    store::{
        Labels, ModelName, NewVersion, Repository, StoreError, VersionName, manifest::Reference,
    },
    version::{engines, probabilities},
};
use stillhouse_engine::{EngineOptions, Priority, prepare};

/// Make a version from an ONNX file: manifest, hash and golden samples.
#[derive(Args)]
#[command(group(ArgGroup::new("validation").args(["reference", "reference_pictures"]).multiple(true)))]
pub(super) struct Import {
    /// The network
    onnx: PathBuf,
    /// The model it belongs to
    #[arg(long)]
    model: ModelName,
    /// The new version's name
    #[arg(long)]
    version: VersionName,
    /// One label per line, class 0 first [default: the model's, if it has versions already, else the classes' numbers]
    #[arg(long)]
    labels: Option<PathBuf>,
    /// A one-line description
    #[arg(long, default_value = "")]
    description: String,
    /// The temperature at which the network was distilled: T²·KL from the teacher is measured at it, the loss of the
    /// training [default: 1]
    #[arg(long, value_name = "T", value_parser = temperature, allow_negative_numbers = true)]
    temperature: Option<f64>,
    #[command(flatten)]
    network: Network,
    /// The network's raw outputs on validation pictures, [pictures, classes]; drift is measured against them (.npy,
    /// .json or .csv)
    #[arg(long, value_name = "FILE", help_heading = "Reference")]
    reference: Option<PathBuf>,
    /// The validation pictures, an idx file or a folder; drift of the inputs is measured against them. The network is
    /// run on them, unless its outputs are given
    #[arg(long, value_name = "PATH", help_heading = "Reference")]
    reference_pictures: Option<PathBuf>,
    /// Their labels, one a line, names or numbers, or an idx file: the accuracy is printed
    #[arg(
        long,
        value_name = "FILE",
        requires = "validation",
        help_heading = "Reference"
    )]
    reference_labels: Option<PathBuf>,
    /// The teacher's outputs on the same pictures, for agreement and divergence
    #[arg(
        long,
        value_name = "FILE",
        requires = "validation",
        help_heading = "Reference"
    )]
    reference_teacher: Option<PathBuf>,
    /// The model repository [default: repository.path of the configuration]
    #[arg(long, value_name = "FOLDER", help_heading = "Where")]
    models: Option<PathBuf>,
    /// The engine that records the golden outputs: auto, onnxruntime or tract
    #[arg(long, help_heading = "Where")]
    engine: Option<String>,
    #[command(flatten, next_help_heading = "Where")]
    source: ConfigSource,
}

impl Import {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let models = self.models.as_ref().map(|path| path.display().to_string());
        let config = self.source.load(&[
            ("repository.path", "--models", models),
            ("engine.backend", "--engine", self.engine.clone()),
        ])?;
        let engine = config.engine.resolve()?;
        let repository = Repository::create(&config.repository.path)?;

        say!("{}", self.onnx.display());
        let labels = self.labels(&repository)?;
        let described = self
            .network
            .describe(&self.onnx, &labels, &self.description, &engine)?;
        let mut new = described.version;
        if let Some(temperature) = self.temperature {
            let training = new.manifest.training.get_or_insert_default();
            training.temperature = Some(temperature);
        }
        described
            .choices
            .iter()
            .for_each(|choice| say!("  {choice}"));
        for (file, golden) in self.network.golden_files().zip(&new.golden) {
            say!("  {file} → {}", answer(&new, &golden.outputs));
        }
        new.manifest.reference = self.reference(&new, &engine)?;

        // A version that the recording engine itself would refuse is not written.
        let path = repository
            .root()
            .join(self.model.as_str())
            .join(self.version.as_str());
        let files = new.files(&self.model, &self.version, &path)?;
        let description = preflight(&files, &engine, &prepare, Priority::Foreground)?;
        say!("  golden samples reproduced: {description}");
        let others = engines(&config.engine)?;
        for other in others
            .iter()
            .filter(|other| other.backend != engine.backend)
        {
            match preflight(&files, other, &prepare, Priority::Foreground) {
                Ok(description) => {
                    say!("  golden samples reproduced: {description}")
                }
                Err(error) => say!("  not to be served on {}: {error}", other.backend),
            }
        }

        let written = repository.write_version(&self.model, &self.version, &new)?;
        say!(
            "{}: sha256 {}",
            written.path.display(),
            written.manifest.file.sha256
        );
        Ok(ExitCode::SUCCESS)
    }

    /// The reference statistics from validation: outputs from a file or from the network, and pictures if given.
    fn reference(
        &self,
        new: &NewVersion,
        engine: &EngineOptions,
    ) -> anyhow::Result<Option<Reference>> {
        let transform = &new.manifest.transform;
        let (pictures, outputs, origin) = match (&self.reference, &self.reference_pictures) {
            (None, None) => return Ok(None),
            (Some(outputs), None) => (Vec::new(), Outputs::read(outputs)?, "given"),
            (Some(outputs), Some(pictures)) => (
                validation::survey(pictures, transform)?,
                Outputs::read(outputs)?,
                "given, with their outputs",
            ),
            (None, Some(pictures)) => {
                let prepare = &stillhouse_engine::prepare;
                let (pictures, outputs) = validation::answer(pictures, new, engine, prepare)?;
                (pictures, outputs, "given, the network run on them")
            }
        };
        let rows = outputs.rows().len();
        if self.reference_pictures.is_some() && pictures.len() != rows {
            bail!(
                "--reference has outputs for {rows} pictures, --reference-pictures {} of them: both belong to the same pictures",
                pictures.len()
            );
        }
        self.prove(new, engine, &outputs)?;
        let teacher = self.reference_teacher.as_deref();
        let teacher = teacher.map(Outputs::read).transpose()?;
        let thresholds = new.manifest.output.thresholds();
        let mut found = reference::measure(&outputs, teacher.as_ref(), thresholds.as_deref())?;
        reference::watch_inputs(&mut found, &pictures);
        say!("  reference = {} pictures ({origin})", found.samples);
        Ok(Some(found))
    }

    /// Compares what is known about the validation pictures with what the network makes of them.
    fn prove(
        &self,
        new: &NewVersion,
        engine: &EngineOptions,
        outputs: &Outputs,
    ) -> anyhow::Result<()> {
        let prepare = &stillhouse_engine::prepare;
        if let (Some(_), Some(pictures)) = (&self.reference, &self.reference_pictures) {
            let proof = proof::prove(pictures, outputs, new, engine, prepare)?;
            let off = 100.0 * proof.off;
            say!(
                "  transform = {} pictures give the outputs in --reference, {off:.2} % off{}",
                proof.pictures,
                match proof.is_doubtful() {
                    true =>
                        "; rounding and resizing alone rarely make so much: compare with your own code",
                    false => "",
                }
            );
        }
        let Some(labels) = &self.reference_labels else {
            return Ok(());
        };
        let truth = Truth::read(labels, &new.labels)?;
        let rows = outputs.rows().len();
        if truth.len() != rows {
            bail!(
                "--reference-labels has {} labels, and there are {rows} pictures: both belong to the same pictures",
                truth.len()
            );
        }
        let accuracy = 100.0 * truth.accuracy(outputs);
        say!("  accuracy = {accuracy:.2} % of {rows} pictures");
        if let (None, Some(pictures)) = (&self.reference, &self.reference_pictures) {
            let hint = proof::count(pictures, &truth, new, engine, prepare)?;
            if let Some((flags, right)) = hint.better {
                say!(
                    "  warning: of {} pictures {:.0} % get their label, with {flags} {:.0} % would: is that how the network was trained?",
                    hint.pictures,
                    100.0 * hint.right,
                    100.0 * right
                );
            }
        }
        Ok(())
    }

    fn labels(&self, repository: &Repository) -> anyhow::Result<Labels> {
        match (&self.labels, repository.labels(&self.model)) {
            (Some(path), _) => read_labels(path),
            (None, Ok(labels)) => Ok(labels),
            (None, Err(StoreError::Missing { .. })) => self.network.numbered_labels(&self.onnx),
            (None, Err(error)) => Err(error).context("the model's labels"),
        }
    }
}

/// A temperature as it is typed.
fn temperature(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let positive = number.filter(|number: &f64| *number > 0.0 && number.is_finite());
    positive.ok_or_else(|| "a temperature is a number above 0".into())
}

/// What the network says about a picture: its label and that label's probability.
fn answer(version: &NewVersion, outputs: &[f32]) -> String {
    let Some(probabilities) = probabilities(outputs, version.manifest.output.kind) else {
        return "nothing finite".into();
    };
    let classes = probabilities.iter().enumerate();
    let top = classes.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
    top.map_or_else(String::new, |(class, probability)| {
        format!("{}, {probability:.4}", version.labels[class])
    })
}
