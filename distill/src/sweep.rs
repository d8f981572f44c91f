//! Hyper-parameter search: a grid or random draws, with successive halving.

mod plot;
mod space;
mod trial;

pub use plot::draw;
pub use space::{Axis, draws, grid};
pub use trial::Trial;

use anyhow::{Result, ensure};
use std::path::Path;

use crate::{
    children::{Job, Pool},
    config::Config,
    run::{Run, finished},
};

/// Factor of successive halving: one in `ETA` trials of a rung is kept for the next, which trains `ETA` times longer.
pub const ETA: usize = 3;

/// Epochs of each rung: the last is `epochs`, each one before it a third, and as many rungs as `trials` can be divided.
pub fn rungs(epochs: usize, trials: usize) -> Vec<usize> {
    let mut rungs = vec![epochs];
    let mut left = trials;
    while left > ETA && rungs[0] > 1 {
        rungs.insert(0, rungs[0].div_ceil(ETA));
        left = left.div_ceil(ETA);
    }
    rungs
}

/// Trains all trials for a rung's epochs from the start, keeps the best third, and so on. The best come first.
///
/// # Errors
/// A configuration without a hold-out, or one with which every run fails.
pub fn sweep(
    config: &Path,
    set: &[String],
    trials: Vec<Vec<String>>,
    out: &Path,
    pool: &Pool,
) -> Result<Vec<Trial>> {
    let base = Config::load(config, set)?;
    ensure!(
        base.data.holdout > 0,
        "a sweep needs a hold-out: set data.holdout"
    );
    let mut trials: Vec<Trial> = trials
        .into_iter()
        .map(|settings| Trial {
            settings,
            results: Vec::new(),
        })
        .collect();
    let mut alive: Vec<usize> = (0..trials.len()).collect();
    for (rung, epochs) in rungs(base.train.epochs, trials.len())
        .into_iter()
        .enumerate()
    {
        let folder = |trial: usize| {
            out.join(format!("rung-{}", rung + 1))
                .join(format!("trial-{}", trial + 1))
        };
        let jobs: Vec<Job> = alive
            .iter()
            .map(|&trial| Job {
                folder: folder(trial),
                config: config.to_owned(),
                settings: [
                    set,
                    &trials[trial].settings,
                    &[format!("train.epochs={epochs}")],
                ]
                .concat(),
                after: None,
                student: base.distill.is_some(),
            })
            .collect();
        // A trial that diverges is a bad trial, not the end of the sweep.
        if let Err(error) = pool.run(&jobs) {
            eprintln!("{error:#}");
        }
        for &trial in &alive {
            let loss = result(&folder(trial));
            trials[trial].results.push((epochs, loss));
        }
        alive.sort_by(|&a, &b| trials[a].loss().total_cmp(&trials[b].loss()));
        alive.retain(|&trial| trials[trial].loss().is_finite());
        ensure!(
            !alive.is_empty(),
            "every run of the sweep failed: see the logs in {}",
            out.display()
        );
        alive.truncate(alive.len().div_ceil(ETA));
    }
    trials.sort_by(|a, b| {
        b.results
            .len()
            .cmp(&a.results.len())
            .then(a.loss().total_cmp(&b.loss()))
    });
    Ok(trials)
}

/// The hold-out loss of a finished run: the NLL if labels are known, otherwise the loss against the teacher.
fn result(folder: &Path) -> f64 {
    if !finished(folder) {
        return f64::INFINITY;
    }
    let metrics = Run::open(folder)
        .and_then(|(run, _)| run.metrics())
        .unwrap_or_default();
    let mut losses = metrics.iter().filter_map(|m| {
        m.holdout
            .as_ref()
            .map(|score| score.nll_nats)
            .or(m.holdout_loss)
    });
    losses
        .rfind(|loss| loss.is_finite())
        .unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_grow_threefold_up_to_the_whole() {
        assert_eq!(rungs(27, 27), [3, 9, 27]);
        assert_eq!(rungs(27, 3), [27]);
        assert_eq!(rungs(20, 10), [3, 7, 20]);
        assert_eq!(rungs(2, 100), [1, 2]);
    }
}
