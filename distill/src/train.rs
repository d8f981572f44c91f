//! The training loop.

mod evaluation;
mod rate;
mod table;

pub use evaluation::logits;

use anyhow::{Result, bail, ensure};
use burn::{
    module::Module,
    optim::{AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig, momentum::MomentumConfig},
    tensor::{Device, Tensor, TensorData},
};
use std::time::Instant;

use evaluation::CHUNK;

use crate::{
    augment::Size,
    batches::{Batch, Epoch, Pixels},
    config::{Config, Distill, Optimizer, Schedule},
    datasets::{Dataset, Splits},
    loss::{LossWeights, Targets, loss},
    network::Network,
    run::{BEST, EpochMetrics, LAST, Progress, Run},
    teacher::{NetworkTeacher, Teacher, soften},
};

/// Seconds between checkpoints; the last epoch is always saved.
const CHECKPOINT_SECONDS: u64 = 20;

/// Trains for the configured epochs, or until early stopping, and saves everything in `run`. `device` must not be autodiff.
///
/// # Errors
/// A loss that isn't finite (the last good checkpoint stays and the step is named), a teacher that fails or has other
/// classes, I/O errors.
pub fn train(
    config: &Config,
    data: &Splits,
    mut teacher: Option<&mut dyn Teacher>,
    device: &Device,
    run: &Run,
    resume: bool,
) -> Result<Network> {
    let classes = data.labels.len();
    if let Some(teacher) = &teacher {
        ensure!(
            teacher.classes() == classes,
            "the teacher gives {} scores, but there are {classes} labels",
            teacher.classes()
        );
    }
    let weights = weigh(config, data)?;
    let (shape, size) = (config.shape(classes), config.size());
    let learning = device.clone().autodiff();
    learning.seed(config.seed);
    let mut optimizer = optimizer(&config.train);
    let (mut network, mut progress) = if resume {
        let loaded = run.load(LAST, config, shape, &learning)?;
        optimizer = run.load_optimizer(LAST, optimizer)?;
        run.forget_after(loaded.1.epoch)?;
        loaded
    } else {
        (
            Network::new(&config.architecture, shape, config.seed, &learning),
            Progress::default(),
        )
    };
    if progress.finished {
        return Ok(network.valid());
    }
    let tape = match (&mut teacher, &config.distill) {
        (Some(teacher), Some(distill)) if config.augment == Default::default() => {
            Some(soften_all(*teacher, &data.train, size, distill)?)
        }
        _ => None,
    };
    let answers = match &mut teacher {
        Some(teacher) => Some(evaluation::TeacherLogits::new(*teacher, data, size)?),
        None => None,
    };

    let steps_per_epoch = data.train.len().div_ceil(config.train.batch);
    let bar = table::bar(config.train.epochs * steps_per_epoch, progress.step);
    let mut saved = Instant::now();
    println!("{}", table::head(teacher.is_some()));
    while progress.epoch < config.train.epochs {
        let started = Instant::now();
        let before = (network.clone(), progress.clone());
        let mut total = 0.0;
        let mut rate = 0.0;
        let epoch = Epoch::new(
            &data.train,
            &config.augment,
            size,
            classes,
            config.train.batch,
            (config.seed, progress.epoch),
        );
        for batch in epoch {
            let soft = soft_targets(&batch, tape.as_deref(), &mut teacher, config, classes)?;
            let rows = batch.pixels.rows();
            let input = batch.pixels.normalized(&config.transform);
            let input =
                Tensor::from_data(TensorData::new(input, [rows, shape.row_len()]), &learning);
            let targets = Targets {
                hard: batch.hard,
                soft,
            };
            let value = loss(network.forward(input), &targets, weights, &learning);
            let gradients = value.backward();
            let number = f64::from(value.into_scalar::<f32>());
            progress.step += 1;
            if !number.is_finite() {
                run.save(LAST, &before.0, None, &before.1)?;
                bail!(
                    "the loss is {number} at step {} (epoch {}): stopped; the network after epoch {} is kept in {}",
                    progress.step,
                    progress.epoch + 1,
                    before.1.epoch,
                    run.folder().join(LAST).display()
                );
            }
            total += number * rows as f64;
            rate = rate::at(&config.train, progress.step, steps_per_epoch);
            let gradients = GradientsParams::from_grads(gradients, &network);
            network = optimizer.step(rate, network, gradients);
            if let Some(limit) = config.train.weight_norm_limit {
                network = network.limit_weights(limit);
            }
            bar.inc(1);
        }
        progress.epoch += 1;
        let mut metrics = EpochMetrics {
            epoch: progress.epoch,
            step: progress.step,
            learning_rate: rate,
            loss: total / data.train.len() as f64,
            seconds: started.elapsed().as_secs_f64(),
            holdout_loss: None,
            holdout: None,
            test: None,
            likeness: None,
        };
        let last = progress.epoch == config.train.epochs;
        let mut student = NetworkTeacher::new(
            network.valid(),
            config.transform.clone(),
            classes,
            device.clone(),
        );
        if !data.holdout.is_empty() {
            evaluation::holdout(
                &mut metrics,
                &mut student,
                data,
                answers.as_ref(),
                weights,
                size,
            )?;
        }
        if last || progress.epoch.is_multiple_of(config.train.evaluate_every) {
            evaluation::test(&mut metrics, &mut student, data, answers.as_ref(), size)?;
        }
        run.record(&metrics)?;
        bar.suspend(|| println!("{}", table::row(&metrics)));
        let stop = judge(config, &metrics, &mut progress);
        if progress
            .best
            .is_some_and(|(_, epoch)| epoch == progress.epoch)
        {
            run.save(BEST, &network, None, &progress)?;
        }
        progress.finished = last || stop;
        if progress.finished || saved.elapsed().as_secs() >= CHECKPOINT_SECONDS {
            run.save(LAST, &network, Some(&optimizer), &progress)?;
            saved = Instant::now();
        }
        if stop {
            println!(
                "no better hold-out loss for {} epochs: stopped",
                config.train.patience.unwrap_or_default()
            );
            break;
        }
    }
    bar.finish_and_clear();
    run.draw()?;
    if progress.best.is_some() {
        return Ok(run.load(BEST, config, shape, device)?.0);
    }
    Ok(network.valid())
}

fn weigh(config: &Config, data: &Splits) -> Result<LossWeights> {
    let weights = match &config.distill {
        Some(distill) => LossWeights {
            temperature: distill.temperature,
            alpha: distill.alpha,
        },
        None => LossWeights::LABELS,
    };
    ensure!(
        weights.alpha == 1.0 || data.train.labels.is_some(),
        "the pictures have no labels, so distill.alpha must be 1 (it is {})",
        weights.alpha
    );
    Ok(weights)
}

fn optimizer(schedule: &Schedule) -> ModuleOptimizer {
    match schedule.optimizer {
        Optimizer::Sgd => {
            let momentum = MomentumConfig::new()
                .with_momentum(schedule.momentum)
                .with_dampening(0.0);
            let mut config = SgdConfig::new().with_momentum(Some(momentum));
            if schedule.weight_decay > 0.0 {
                let decay = burn::optim::decay::WeightDecayConfig::new(schedule.weight_decay);
                config = config.with_weight_decay(Some(decay));
            }
            config.init()
        }
        Optimizer::AdamW => AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(schedule.weight_decay)
            .init(),
    }
}

/// The teacher's probabilities for every picture, if there is no augmentation.
fn soften_all(
    teacher: &mut dyn Teacher,
    dataset: &Dataset,
    size: Size,
    distill: &Distill,
) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(dataset.len() * teacher.classes());
    for start in (0..dataset.len()).step_by(CHUNK) {
        let pixels = Pixels::plain(dataset, start..dataset.len().min(start + CHUNK), size);
        all.extend(soften(
            teacher,
            &pixels,
            distill.temperature,
            distill.copies,
        )?);
    }
    Ok(all)
}

fn soft_targets(
    batch: &Batch,
    tape: Option<&[f32]>,
    teacher: &mut Option<&mut dyn Teacher>,
    config: &Config,
    classes: usize,
) -> Result<Vec<f32>> {
    match (tape, teacher, &config.distill) {
        (Some(tape), ..) => Ok(batch
            .indices
            .iter()
            .flat_map(|&i| &tape[i * classes..][..classes])
            .copied()
            .collect()),
        (None, Some(teacher), Some(distill)) if distill.alpha > 0.0 => {
            soften(*teacher, &batch.pixels, distill.temperature, distill.copies)
        }
        _ => Ok(Vec::new()),
    }
}

/// Records a new best hold-out loss; returns whether to stop early.
fn judge(config: &Config, metrics: &EpochMetrics, progress: &mut Progress) -> bool {
    let Some(loss) = metrics.holdout_loss else {
        return false;
    };
    if progress.best.is_none_or(|(best, _)| loss < best) {
        progress.best = Some((loss, progress.epoch));
    }
    let best = progress.best.map_or(0, |(_, epoch)| epoch);
    config
        .train
        .patience
        .is_some_and(|patience| progress.epoch - best >= patience)
}
