//! `evaluate`: compares one network, or two, with labels and a teacher.

use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};
use stillhouse_distill::{
    batches::Pixels,
    compare::{PairedComparison, paired},
    config::Config,
    datasets::Splits,
    devices,
    measure::{compare_with_teacher, score},
    teacher::{self, Teacher},
    train::logits,
};

/// Number of single pictures timed for the latency.
const TIMED: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A run's directory, a version's directory or an ONNX file
    network: PathBuf,
    /// The TOML file whose test pictures are used
    #[arg(long)]
    config: PathBuf,
    /// Set one key of the file (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The teacher, for agreement and divergence
    #[arg(long)]
    teacher: Option<PathBuf>,
    /// A second network to compare with: which is right where the other is wrong?
    #[arg(long)]
    beside: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<()> {
        let device = devices::parse("cpu")?;
        let config = Config::load(&self.config, &self.set)?;
        let data = Splits::read(&config.data, &config.transform, config.seed)?;
        let (classes, size) = (data.labels.len(), config.size());
        let labels = data
            .test
            .labels
            .as_deref()
            .context("data.test_labels must be known")?;
        let answers = |path: &Path| -> Result<(Vec<f32>, f64)> {
            let mut network = teacher::open(path, &config.transform, &device)?;
            let all = logits(network.as_mut(), &data.test, size)?;
            Ok((all, latency(network.as_mut(), &data, size)?))
        };
        let teacher = self.teacher.as_deref().map(answers).transpose()?;

        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header([
            "network",
            "errors",
            "NLL (nats)",
            "ECE",
            "agreement",
            "KL (nats)",
            "ms a picture",
            "bytes",
        ]);
        let mut all = Vec::new();
        for path in std::iter::once(&self.network).chain(&self.beside) {
            let (own, seconds) = answers(path)?;
            let score = score(&own, classes, labels);
            let like = teacher
                .as_ref()
                .map(|(teacher, _)| compare_with_teacher(teacher, &own, classes));
            table.add_row([
                path.display().to_string(),
                format!("{} of {}", score.errors, score.samples),
                format!("{:.4}", score.nll_nats),
                format!("{:.4}", score.ece),
                like.as_ref().map_or_else(
                    || "-".to_owned(),
                    |like| format!("{:.2} %", 100.0 * like.agreement),
                ),
                like.as_ref().map_or_else(
                    || "-".to_owned(),
                    |like| format!("{:.4}", like.kl_mean_nats),
                ),
                format!("{:.3}", 1000.0 * seconds),
                bytes(path).map_or_else(|| "-".to_owned(), |bytes| bytes.to_string()),
            ]);
            all.push((own, score));
        }
        println!("{table}\n");

        let mut per_class = Table::new();
        per_class.load_style(ASCII_MARKDOWN);
        let networks = all
            .iter()
            .enumerate()
            .map(|(i, _)| format!("errors of network {}", i + 1));
        per_class.set_header(
            ["class".to_owned(), "pictures".to_owned()]
                .into_iter()
                .chain(networks),
        );
        for (class, name) in data.labels.iter().enumerate() {
            let errors = all
                .iter()
                .map(|(_, score)| score.errors_per_class[class].to_string());
            let pictures = all[0].1.samples_per_class[class].to_string();
            per_class.add_row([name.clone(), pictures].into_iter().chain(errors));
        }
        println!("{per_class}");
        if let [(first, _), (second, _)] = all.as_slice() {
            let PairedComparison {
                first_only,
                second_only,
                p_value,
            } = paired(first, second, classes, labels);
            println!(
                "\nOnly the first is right on {first_only} pictures, only the second on {second_only}: \
                 p = {p_value:.1e} (exact sign test, two-sided)"
            );
        }
        Ok(())
    }
}

/// The median time of one picture alone.
fn latency(
    network: &mut dyn Teacher,
    data: &Splits,
    size: stillhouse_distill::augment::Size,
) -> Result<f64> {
    let mut seconds = Vec::new();
    for i in 0..TIMED.min(data.test.len()) {
        let pixels = Pixels::plain(&data.test, i..i + 1, size);
        let started = Instant::now();
        network.logits(&pixels)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds.get(seconds.len() / 2).copied().unwrap_or_default())
}

fn bytes(path: &Path) -> Option<u64> {
    let file = if path.is_file() {
        path.to_owned()
    } else {
        path.join("model.onnx")
    };
    Some(fs::metadata(file).ok()?.len())
}
