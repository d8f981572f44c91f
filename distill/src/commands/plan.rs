//! `plan`: all runs of an experiment, and its table of results.

use anyhow::Result;
use clap::Args;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};
use stillhouse_distill::{
    bias,
    children::Pool,
    config::Config,
    datasets::{Dataset, Splits},
    devices,
    measure::{Score, score},
    plan::{Plan, PlannedRun},
    run::{self, Run},
    teacher::NetworkTeacher,
    train::logits,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The plan's TOML file
    plan: PathBuf,
    /// Directory for all runs
    #[arg(long)]
    out: PathBuf,
    /// Runs at the same time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Threads per run; default: all cores, shared evenly
    #[arg(long)]
    threads: Option<usize>,
    /// Where to train
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Set one key in every run (may be repeated)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Only the runs of these names (may be repeated)
    #[arg(long)]
    only: Vec<String>,
}

impl Arguments {
    pub(crate) fn run(self) -> Result<()> {
        devices::parse(&self.device)?;
        let started = Instant::now();
        let mut plan = Plan::load(&self.plan)?;
        plan.runs
            .retain(|run| self.only.is_empty() || self.only.contains(&run.name));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or((cores / self.jobs.max(1)).max(1));
        let pool = Pool {
            workers: self.jobs,
            device: self.device.clone(),
            threads,
        };
        pool.run(&plan.jobs(&self.out, &self.set))?;
        println!(
            "\n{}\n\n{:.0} s",
            table(&plan, &self.out)?,
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }
}

/// Test errors, mean ± standard deviation over the seeds, beside the published number.
fn table(plan: &Plan, out: &Path) -> Result<Table> {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header([
        "network",
        "published errors",
        "ours: mean ± sd",
        "each seed",
    ]);
    for planned in &plan.runs {
        let mut errors = Vec::new();
        let (mut raised, mut of_class) = (Vec::new(), (Vec::new(), Vec::new()));
        for seed in &plan.seeds {
            let folder = out.join(format!("{}-{seed}", planned.name));
            let metrics = Run::open(&folder)?.0.metrics()?;
            let Some(test) = metrics.last().and_then(|last| last.test.clone()) else {
                continue;
            };
            errors.push(test.errors);
            if let Some(class) = planned.unbias {
                let after = unbias(&folder, class)?;
                of_class.0.push(test.errors_per_class[class]);
                of_class.1.push(after.errors_per_class[class]);
                raised.push(after.errors);
            }
        }
        table.add_row(row(&planned.title, planned.paper, &errors));
        if let Some(class) = planned.unbias {
            after(&mut table, planned, class, &raised, &of_class);
        }
    }
    Ok(table)
}

fn after(
    table: &mut Table,
    planned: &PlannedRun,
    class: usize,
    raised: &[usize],
    of_class: &(Vec<usize>, Vec<usize>),
) {
    table.add_row(row(
        &format!("… of these on class {class}"),
        None,
        &of_class.0,
    ));
    table.add_row(row(
        &format!("… with the bias of class {class} raised"),
        planned.paper_unbiased,
        raised,
    ));
    table.add_row(row(
        &format!("… of these on class {class}"),
        None,
        &of_class.1,
    ));
}

fn row(title: &str, paper: Option<f64>, errors: &[usize]) -> [String; 4] {
    let n = errors.len().max(1) as f64;
    let mean = errors.iter().sum::<usize>() as f64 / n;
    let squares: f64 = errors.iter().map(|&e| (e as f64 - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    let each: Vec<String> = errors.iter().map(usize::to_string).collect();
    let paper = paper.map_or_else(|| "-".to_owned(), |paper| paper.to_string());
    [
        title.to_owned(),
        paper,
        format!("{mean:.1} ± {deviation:.1}"),
        each.join(", "),
    ]
}

/// The run's score after its bias was corrected with all training pictures, without their labels.
fn unbias(folder: &Path, class: usize) -> Result<Score> {
    let device = devices::parse("cpu")?;
    let (run, config) = Run::open(folder)?;
    let whole = Config {
        data: stillhouse_distill::config::Sources {
            leave_out: Vec::new(),
            ..config.data.clone()
        },
        ..config.clone()
    };
    let data = Splits::read(&whole.data, &whole.transform, whole.seed)?;
    let classes = data.labels.len();
    let (network, _) = run.load(run::result(&run)?, &config, config.shape(classes), &device)?;
    let mut network = NetworkTeacher::new(network, config.transform.clone(), classes, device);
    let unlabelled = logits(&mut network, &data.train, config.size())?;
    let amount = bias::correction(&unlabelled, classes, class, prior(&data.train, class));
    let mut test = logits(&mut network, &data.test, config.size())?;
    bias::raise(&mut test, classes, class, amount);
    Ok(score(
        &test,
        classes,
        data.test.labels.as_deref().unwrap_or_default(),
    ))
}

fn prior(dataset: &Dataset, class: usize) -> f64 {
    let labels = dataset.labels.as_deref().unwrap_or_default();
    labels
        .iter()
        .filter(|&&label| usize::from(label) == class)
        .count() as f64
        / labels.len().max(1) as f64
}
