//! `curves.svg`: loss and errors over epochs.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

use super::EpochMetrics;
use crate::files::replace;

/// Draws the training loss on the left and the share of errors on the right.
pub(super) fn draw(path: &Path, metrics: &[EpochMetrics]) -> Result<()> {
    let loss: Vec<(f64, f64)> = metrics.iter().map(|m| (m.epoch as f64, m.loss)).collect();
    let holdout: Vec<(f64, f64)> = metrics
        .iter()
        .filter_map(|m| Some((m.epoch as f64, m.holdout_loss?)))
        .collect();
    let errors: Vec<(f64, f64)> = metrics
        .iter()
        .filter_map(|m| {
            let test = m.test.as_ref()?;
            Some((
                m.epoch as f64,
                100.0 * test.errors as f64 / test.samples.max(1) as f64,
            ))
        })
        .collect();
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (1000, 420)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| anyhow!("{error}"))?;
    let (left, right) = root.split_horizontally(500);
    chart(
        &left,
        "loss",
        &[("training", &BLUE, &loss), ("hold-out", &GREEN, &holdout)],
    )?;
    chart(&right, "test errors (%)", &[("test", &RED, &errors)])?;
    root.present().map_err(|error| anyhow!("{error}"))?;
    drop((left, right, root));
    replace(path, svg.as_bytes())
}

type Series<'a> = (&'a str, &'a RGBColor, &'a [(f64, f64)]);

fn chart(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    series: &[Series<'_>],
) -> Result<()> {
    let points = || series.iter().flat_map(|(_, _, points)| points.iter());
    if points().next().is_none() {
        return Ok(());
    }
    let last = points().map(|p| p.0).fold(1.0, f64::max);
    let top = points()
        .map(|p| p.1)
        .filter(|y| y.is_finite())
        .fold(0.0, f64::max)
        .max(1e-9)
        * 1.05;
    let wrong = |error: DrawingAreaErrorKind<std::io::Error>| anyhow!("{error}");
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last, 0.0..top)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .draw()
        .map_err(wrong)?;
    for &(name, color, points) in series.iter().filter(|(_, _, points)| !points.is_empty()) {
        let line = LineSeries::new(points.iter().copied().filter(|p| p.1.is_finite()), color);
        let swatch = move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], color);
        chart
            .draw_series(line)
            .map_err(wrong)?
            .label(name)
            .legend(swatch);
    }
    chart
        .configure_series_labels()
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()
        .map_err(wrong)
}
