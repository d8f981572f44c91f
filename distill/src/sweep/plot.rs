//! Plots a sweep: loss over epochs, one line per trial.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

use super::trial::Trial;

/// Draws every trial's results; the best one in red.
///
/// # Errors
/// I/O errors.
pub fn draw(path: &Path, trials: &[Trial]) -> Result<()> {
    let wrong = |error: DrawingAreaErrorKind<std::io::Error>| anyhow!("{error}");
    let points = |trial: &Trial| -> Vec<(f64, f64)> {
        trial
            .results
            .iter()
            .map(|&(epochs, loss)| (epochs as f64, loss))
            .filter(|point| point.1.is_finite())
            .collect()
    };
    let all: Vec<(f64, f64)> = trials.iter().flat_map(points).collect();
    let last = all.iter().map(|point| point.0).fold(1.0, f64::max);
    let top = all.iter().map(|point| point.1).fold(1e-9, f64::max);
    let area = SVGBackend::new(path, (800, 480)).into_drawing_area();
    area.fill(&WHITE).map_err(wrong)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("hold-out loss of each trial", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last * 1.05, 0.0..top * 1.05)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .x_desc("epochs")
        .draw()
        .map_err(wrong)?;
    for (rank, trial) in trials.iter().enumerate().rev() {
        let color = if rank == 0 {
            RED
        } else {
            RGBColor(120, 120, 160)
        };
        let points = points(trial);
        chart
            .draw_series(LineSeries::new(points.clone(), &color))
            .map_err(wrong)?;
        chart
            .draw_series(
                points
                    .into_iter()
                    .map(|point| Circle::new(point, 3, color.filled())),
            )
            .map_err(wrong)?;
    }
    area.present().map_err(wrong)
}
