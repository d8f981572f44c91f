//! Progress output while training.

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::EpochMetrics;

/// A progress bar over steps.
pub(super) fn bar(steps: usize, done: usize) -> ProgressBar {
    let style = "{bar:30} {pos}/{len} steps, {per_sec}, {eta} left";
    let bar = ProgressBar::new(steps as u64).with_position(done as u64);
    bar.with_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// The header of the table of epochs.
pub(super) fn head(distilled: bool) -> String {
    let like = if distilled {
        "  agreement  KL (nats)"
    } else {
        ""
    };
    format!("epoch      rate     loss  hold-out  test errors  seconds{like}")
}

/// The row of one epoch.
pub(super) fn row(metrics: &EpochMetrics) -> String {
    let mut row = format!(
        "{:5}  {:.2e}  {:7.4}",
        metrics.epoch, metrics.learning_rate, metrics.loss
    );
    row += &metrics
        .holdout_loss
        .map_or_else(|| format!("{:>10}", "-"), |loss| format!("{loss:10.4}"));
    row += &metrics.test.as_ref().map_or_else(
        || format!("{:>13}", "-"),
        |test| format!("{:13}", test.errors),
    );
    row += &format!("{:9.1}", metrics.seconds);
    if let Some(likeness) = &metrics.likeness {
        row += &format!(
            "{:10.2}%{:11.4}",
            100.0 * likeness.agreement,
            likeness.kl_mean_nats
        );
    }
    row
}
