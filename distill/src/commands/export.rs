//! `export`: writes a run as a version.

use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use stillhouse_distill::{
    batches::Pixels,
    datasets::Splits,
    devices,
    onnx::Graph,
    run::{self, Run},
    spoil::Spoil,
    teacher::{self, NetworkTeacher},
    train::logits,
    version::VersionDraft,
    version_path::VersionPath,
};
use stillhouse_store::manifest::Training;

use super::percent;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The run's directory
    run: PathBuf,
    /// The version to write, as REPOSITORY/MODEL/VERSION, e.g. models/fashion/s1
    version: PathBuf,
    /// The teacher for agreement and divergence; default: the run's teacher. An exported version is faster than a run
    #[arg(long)]
    teacher: Option<PathBuf>,
    /// Name of the teacher in the manifest; default: its path
    #[arg(long)]
    teacher_name: Option<String>,
    /// Description in the manifest; default: the configuration's description
    #[arg(long)]
    description: Option<String>,
    /// Break it for a drill: overconfident=4 (logits times 4) or nan-on-bright=0.05 (NaN for the brightest 5 %)
    #[arg(long)]
    spoil: Option<Spoil>,
    /// Replace the version
    #[arg(long)]
    force: bool,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<()> {
        VersionPath::of(&self.version)?.check(self.force)?;
        let device = devices::parse("cpu")?;
        let (run, config) = Run::open(&self.run)?;
        let data = Splits::read(&config.data, &config.transform, config.seed)?;
        let classes = data.labels.len();
        let shape = config.shape(classes);
        let (network, _) = run.load(run::result(&run)?, &config, shape, &device)?;
        let mut graph = Graph::new();
        let mut output = network.to_graph(&mut graph);
        let size = config.size();
        let mut student =
            NetworkTeacher::new(network, config.transform.clone(), classes, device.clone());
        let mut own = logits(&mut student, &data.test, size)?;
        if let Some(spoil) = self.spoil {
            let pixels = Pixels::plain(&data.test, 0..data.test.len(), size);
            output = spoil.apply(&mut graph, &output, &mut own, &pixels, &config.transform);
        }
        let graph = graph.finish("stillhouse", shape.picture, classes, &output);
        let taught = config.distill.as_ref().map(|distill| &distill.teacher);
        let teacher = match self.teacher.as_ref().or(taught) {
            Some(path) => {
                let mut teacher = teacher::open(path, &config.transform, &device)?;
                Some(logits(teacher.as_mut(), &data.test, size)?)
            }
            None => None,
        };
        let draft = VersionDraft {
            description: self
                .description
                .clone()
                .unwrap_or_else(|| config.description.clone()),
            graph,
            transform: config.transform.clone(),
            training: Training {
                teacher: config.distill.as_ref().map(|distill| {
                    self.teacher_name
                        .clone()
                        .unwrap_or_else(|| distill.teacher.display().to_string())
                }),
                temperature: config.distill.as_ref().map(|distill| distill.temperature),
                alpha: config.distill.as_ref().map(|distill| distill.alpha),
                architecture: Some(
                    config
                        .architecture
                        .describe(config.transform.row_len(), classes),
                ),
                data: Some(config.data.train.display().to_string()),
                created: Some(jiff::Timestamp::now().to_string()),
                tool: Some(format!(
                    "{} {}",
                    env!("CARGO_PKG_NAME"),
                    env!("CARGO_PKG_VERSION")
                )),
            },
            labels: &data.labels,
            validation: &data.test,
            logits: own,
            teacher,
        };
        let manifest = draft.write(&self.version, self.force)?;
        let reference = manifest.reference.unwrap_or_default();
        println!(
            "{}: {} bytes, accuracy {}, agreement {}",
            self.version.display(),
            manifest.file.size_bytes,
            percent(reference.accuracy),
            percent(reference.agreement)
        );
        Ok(())
    }
}
