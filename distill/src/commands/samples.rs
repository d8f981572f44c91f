//! `samples`: some test pictures as PNG files.

use anyhow::{Context, Result};
use clap::Args;
use std::{fs, path::PathBuf};
use stillhouse_distill::{config::Config, datasets::Splits, version::png};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An experiment's TOML file: its test pictures are taken
    config: PathBuf,
    /// Directory for the pictures
    out: PathBuf,
    /// How many, taking turns among the classes
    #[arg(long, default_value_t = 12)]
    count: usize,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<()> {
        let config = Config::load(&self.config, &[])?;
        let data = Splits::read(&config.data, &config.transform, config.seed)?;
        let known = data
            .test
            .labels
            .as_ref()
            .context("data.test_labels must be known, to name the files")?;
        fs::create_dir_all(&self.out)
            .with_context(|| format!("creating {}", self.out.display()))?;
        for i in 0..self.count {
            let (class, turn) = (i % data.labels.len(), i / data.labels.len());
            let mut of_class =
                (0..data.test.len()).filter(|&picture| usize::from(known[picture]) == class);
            let Some(picture) = of_class.nth(turn) else {
                continue;
            };
            let name: String = data.labels[class]
                .to_lowercase()
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            let path = self.out.join(format!("{name}-{}.png", turn + 1));
            fs::write(&path, png(data.test.picture(picture), &config.transform)?)
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}
