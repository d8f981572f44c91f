//! `sweep`: trials, a ranked table and a plot.

use anyhow::Result;
use clap::Args;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use std::path::PathBuf;
use stillhouse_distill::{
    children::Pool,
    devices,
    sweep::{Axis, draw, draws, grid, sweep},
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The TOML file that is varied; it needs data.holdout
    config: PathBuf,
    /// A key and its values: key=a;b;c, key=lin:0..1 or key=log:1e-4..1e-1 (may be repeated)
    #[arg(long, value_name = "KEY=VALUES", required = true)]
    vary: Vec<Axis>,
    /// Draw so many trials at random instead of trying every combination
    #[arg(long, value_name = "COUNT")]
    random: Option<usize>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Set one key for all trials (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Directory for all runs, `sweep.md` and `sweep.svg`
    #[arg(long)]
    out: PathBuf,
    /// Runs at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Threads a run
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where to train
    #[arg(long, default_value = "cpu")]
    device: String,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<()> {
        devices::parse(&self.device)?;
        let trials = match self.random {
            Some(count) => draws(&self.vary, count, self.seed),
            None => grid(&self.vary)?,
        };
        let pool = Pool {
            workers: self.jobs,
            device: self.device,
            threads: self.threads,
        };
        let ranked = sweep(&self.config, &self.set, trials, &self.out, &pool)?;
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header(["rank", "settings", "epochs", "hold-out loss (nats)"]);
        for (rank, trial) in ranked.iter().enumerate() {
            let epochs = trial.results.last().map_or(0, |&(epochs, _)| epochs);
            let row = [
                (rank + 1).to_string(),
                trial.settings.join(" "),
                epochs.to_string(),
                format!("{:.4}", trial.loss()),
            ];
            table.add_row(row);
        }
        std::fs::write(self.out.join("sweep.md"), format!("{table}\n"))?;
        draw(&self.out.join("sweep.svg"), &ranked)?;
        println!("\n{table}");
        Ok(())
    }
}
