//! The report as a plot (SVG): latency by percentile, throughput over time, latency over time, admin requests as lines.

use std::{ops::Range, path::Path};

use anyhow::{Context, anyhow};
use plotters::{
    coord::{Shift, ranged1d::ValueFormatter},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::{Report, TimeSeries};
use crate::admin_client::RequestReport;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

const WIDTH: u32 = 1000;
const PANEL_HEIGHT: u32 = 340;
const GREY: RGBColor = RGBColor(150, 150, 150);
const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(255, 127, 14);
const RED: RGBColor = RGBColor(214, 39, 40);
const COLORS: [RGBColor; 6] = [
    BLUE,
    ORANGE,
    RGBColor(44, 160, 44),
    RED,
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
];

struct Line<'a> {
    name: &'a str,
    color: RGBColor,
    points: Points,
}

/// Writes the plot of a run.
pub(crate) fn write(report: &Report, path: &Path) -> anyhow::Result<()> {
    let svg = draw(report).context("drawing the plot")?;
    std::fs::write(path, svg).with_context(|| format!("can't write {}", path.display()))
}

fn draw(report: &Report) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 3 * PANEL_HEIGHT)).into_drawing_area();
        area.fill(&WHITE).map_err(wrong)?;
        let panels = area.split_evenly((3, 1));
        by_percentile(&panels[0], report)?;
        let end =
            report.timeline.offered_per_second.len() as f64 * report.timeline.interval_seconds;
        throughput(&panels[1], &report.timeline, end, &report.events)?;
        latency(&panels[2], &report.timeline, end, &report.events)?;
        area.present().map_err(wrong)?;
    }
    Ok(svg)
}

fn by_percentile(area: &Area, report: &Report) -> anyhow::Result<()> {
    let measured = report.phases.iter().filter(|phase| phase.measured);
    let lines: Vec<Line> = measured
        .zip(COLORS.iter().cycle())
        .map(|(phase, color)| Line {
            name: &phase.name,
            color: *color,
            points: phase.curve.clone(),
        })
        .collect();
    let nines = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.0)
        .fold(1.0, f64::max);
    let axis = Axis {
        range: 0.0..nines,
        name: "percentile",
        label: &percentile,
        labels: nines as usize + 1,
        legend: SeriesLabelPosition::LowerRight,
    };
    logarithmic(
        area,
        "latency by percentile (ms, from when a request was due)",
        &axis,
        &lines,
        &[],
    )
}

/// The label for a number of nines, such as p99 for 2.
fn percentile(nines: &f64) -> String {
    let percent = 100.0 - 10f64.powf(2.0 - nines);
    let decimals = (nines.ceil() as usize).saturating_sub(2);
    format!("p{percent:.decimals$}")
}

fn throughput(
    area: &Area,
    times: &TimeSeries,
    end: f64,
    events: &[RequestReport],
) -> anyhow::Result<()> {
    let line = |name, color, values: &[f64]| Line {
        name,
        color,
        points: over_time(times, values.iter().map(|value| Some(*value))),
    };
    let mut lines = vec![
        line("due", GREY, &times.offered_per_second),
        line("answered", BLUE, &times.answered_per_second),
        line("refused", ORANGE, &times.refused_per_second),
        line("failed", RED, &times.failed_per_second),
    ];
    lines.retain(|line| line.points.iter().any(|point| point.1 > 0.0));
    let top = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.1)
        .fold(1.0, f64::max)
        * 1.1;
    let mut chart = builder(area, "requests a second")
        .build_cartesian_2d(0.0..end, 0.0..top)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .x_labels(12)
        .x_label_formatter(&|seconds| seconds.to_string())
        .y_label_formatter(&|rate| rate.to_string())
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(wrong)?;
    series(&mut chart, &lines)?;
    mark(&mut chart, events, 0.0..top)?;
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

fn latency(
    area: &Area,
    times: &TimeSeries,
    end: f64,
    events: &[RequestReport],
) -> anyhow::Result<()> {
    let line = |name, color, values: &[Option<f64>]| Line {
        name,
        color,
        points: over_time(times, values.iter().copied()),
    };
    let lines = [
        line("p50", BLUE, &times.p50_ms),
        line("p99", RED, &times.p99_ms),
    ];
    let axis = Axis {
        range: 0.0..end,
        name: "seconds",
        label: &|seconds| format!("{seconds}"),
        labels: 12,
        legend: SeriesLabelPosition::UpperLeft,
    };
    logarithmic(area, "latency over time (ms)", &axis, &lines, events)
}

/// Points in the middle of each interval.
fn over_time(times: &TimeSeries, values: impl Iterator<Item = Option<f64>>) -> Points {
    let at = |index: usize| (index as f64 + 0.5) * times.interval_seconds;
    values
        .enumerate()
        .filter_map(|(index, value)| Some((at(index), value?)))
        .collect()
}

struct Axis<'a> {
    range: Range<f64>,
    name: &'a str,
    label: &'a dyn Fn(&f64) -> String,
    labels: usize,
    legend: SeriesLabelPosition,
}

fn logarithmic(
    area: &Area,
    title: &str,
    axis: &Axis,
    lines: &[Line],
    events: &[RequestReport],
) -> anyhow::Result<()> {
    let values = || {
        lines
            .iter()
            .flat_map(|line| &line.points)
            .map(|point| point.1)
            .filter(|ms| *ms > 0.0)
    };
    let low = values().fold(f64::INFINITY, f64::min);
    if !low.is_finite() {
        return Ok(());
    }
    let range = low * 0.8..values().fold(low, f64::max) * 1.5;
    let mut chart = builder(area, title)
        .build_cartesian_2d(axis.range.clone(), range.clone().log_scale())
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .x_desc(axis.name)
        .x_labels(axis.labels)
        .x_label_formatter(&axis.label)
        .y_labels(12)
        .y_label_formatter(&|ms| short(*ms))
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(wrong)?;
    series(&mut chart, lines)?;
    mark(&mut chart, events, range)?;
    legend(&mut chart, axis.legend.clone())
}

fn short(ms: f64) -> String {
    let decimals = (1.0 - ms.log10().floor()).max(0.0) as usize;
    format!("{ms:.decimals$}")
}

fn builder<'a, 'b>(area: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(60);
    builder
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

fn series<X, Y>(chart: &mut Chart<X, Y>, lines: &[Line]) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    for line in lines.iter().filter(|line| !line.points.is_empty()) {
        let color = line.color;
        chart
            .draw_series(LineSeries::new(
                line.points.iter().copied(),
                color.stroke_width(2),
            ))
            .map_err(wrong)?
            .label(line.name)
            .legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], color.stroke_width(2))
            });
    }
    Ok(())
}

/// Marks admin requests as vertical lines; requests that follow each other closely share one name.
fn mark<X, Y>(
    chart: &mut Chart<X, Y>,
    events: &[RequestReport],
    range: Range<f64>,
) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let end = events
        .iter()
        .map(|event| event.at_seconds)
        .fold(1.0, f64::max);
    let mut named = f64::NEG_INFINITY;
    for event in events {
        let color = if event.ok { RGBColor(90, 90, 90) } else { RED };
        let at = event.at_seconds;
        let line = PathElement::new(vec![(at, range.start), (at, range.end)], color.mix(0.6));
        chart.draw_series([line]).map_err(wrong)?;
        if at - named > end * 0.03 {
            named = at;
            let style = ("sans-serif", 12)
                .into_font()
                .transform(FontTransform::Rotate90)
                .color(&color);
            let style = style.pos(Pos::new(HPos::Left, VPos::Bottom));
            chart
                .draw_series([Text::new(event.name.clone(), (at, range.end), style)])
                .map_err(wrong)?;
        }
    }
    Ok(())
}

fn legend<'a, 'b: 'a, X, Y>(
    chart: &mut Chart<'a, 'b, X, Y>,
    at: SeriesLabelPosition,
) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_series_labels()
        .position(at)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()
        .map_err(wrong)
}

fn wrong(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_written_with_their_nines() {
        let written: Vec<String> = [0.0, 1.0, 2.0, 3.0, 4.0].iter().map(percentile).collect();
        assert_eq!(written, ["p0", "p90", "p99", "p99.9", "p99.99"]);
    }
}
