//! The results, as JSON and as a table.

use std::fmt::{self, Display, Formatter};

use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use stillhouse_child_server::load::Load;

use crate::{
    rounds::{Extent, Round},
    servers::Serving,
    subject::Subject,
    waterfall::{Waterfall, at_batch, median},
};

/// Width of the waterfall in columns.
const WIDTH: f64 = 32.0;

/// Linux cuts thread names to this length.
const THREAD_NAME_BYTES: usize = 15;

/// Everything that was measured; medians over the rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Model name.
    pub model: String,
    /// Version name.
    pub version: String,
    /// Engine and device as text.
    pub engine: String,
    /// Cores of this machine.
    pub cores: usize,
    /// Kept-alive connections.
    pub connections: usize,
    /// Duration of each load.
    pub seconds: f64,
    /// Number of rounds.
    pub rounds: usize,
    /// The picture that was sent.
    pub picture: PictureView,
    /// The steps, their sum, and the gap to the server.
    #[serde(flatten)]
    pub waterfall: Waterfall,
    /// `server_over_limit` of each round; their spread shows how quiet the machine was.
    pub server_over_limit_rounds: Vec<f64>,
    /// Costs by group of threads.
    pub threads: Vec<Threads>,
    /// CPU-µs per picture, by batch size.
    pub inference: Vec<Inference>,
    /// Mean batch size of the server under load, in pictures.
    pub mean_batch: f64,
    /// Largest batch that the server forms, in pictures.
    pub max_batch: usize,
    /// Engines that run concurrently.
    pub workers: usize,
    /// The server under load.
    pub server: LoadView,
    /// HTTP alone under load.
    pub floor: LoadView,
}

/// The picture that was sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PictureView {
    /// Where it comes from, as text.
    pub origin: String,
    /// PNG, JPEG or WebP.
    pub format: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Size of the file in bytes.
    pub bytes: usize,
}

/// Costs of one group of the server's threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threads {
    /// Which threads, and their steps.
    pub threads: &'static str,
    /// Sum of their steps, in CPU-µs per request.
    pub limit_cpu_us: f64,
    /// Measured in the server, in CPU-µs per request.
    pub server_cpu_us: f64,
}

/// Cost of one batch size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inference {
    /// Pictures in the batch.
    pub rows: usize,
    /// CPU-µs per picture.
    pub cpu_us: f64,
}

/// Medians over the loads of one server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadView {
    /// Answers per second.
    pub per_second: f64,
    /// CPU-µs per request.
    pub cpu_us: f64,
    /// The part of `cpu_us` in the kernel.
    pub system_us: f64,
    /// Voluntary context switches of the server's threads, per request.
    pub sleeps: f64,
    /// Median latency in µs.
    pub p50_us: f64,
    /// 99th percentile of latency in µs.
    pub p99_us: f64,
}

impl LoadView {
    fn of(loads: &[&Load]) -> Self {
        let of = |figure: fn(&Load) -> f64| median(loads.iter().map(|load| figure(load)));
        Self {
            per_second: of(|load| load.per_second),
            cpu_us: of(|load| load.cpu_us),
            system_us: of(|load| load.system_us),
            sleeps: of(|load| load.sleeps),
            p50_us: of(|load| load.p50_us),
            p99_us: of(|load| load.p99_us),
        }
    }
}

/// The steps' CPU-µs, each the median over some rounds.
struct Steps {
    floor: f64,
    decode: f64,
    resize: f64,
    floats: f64,
    inference: f64,
    softmax: f64,
    json: f64,
}

impl Steps {
    fn of(rounds: &[&Round]) -> Self {
        let of = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(|round| figure(round)));
        let mean_batch = of(&|round| round.server.mean_batch);
        Self {
            floor: of(&|round| round.floor.cpu_us),
            decode: of(&|round| round.steps.decode),
            resize: of(&|round| round.steps.resize),
            floats: of(&|round| round.steps.floats),
            inference: at_batch(&inference(rounds), mean_batch),
            softmax: of(&|round| round.steps.softmax),
            json: of(&|round| round.steps.json),
        }
    }

    fn workers(&self) -> f64 {
        self.floats + self.inference
    }

    fn sum(&self) -> f64 {
        self.workers() + self.others()
    }

    fn others(&self) -> f64 {
        self.floor + self.decode + self.resize + self.softmax + self.json
    }
}

/// By batch size.
fn inference(rounds: &[&Round]) -> Vec<(usize, f64)> {
    let sizes = rounds
        .first()
        .map_or(&[][..], |round| &round.steps.inference);
    let of = |(index, &(rows, _)): (usize, &(usize, f64))| {
        let each = rounds.iter().map(|round| round.steps.inference[index].1);
        (rows, median(each))
    };
    sizes.iter().enumerate().map(of).collect()
}

impl Report {
    /// Summarises `rounds`, of which there is at least one.
    ///
    /// # Errors
    /// None for a picture that has been decoded once.
    pub fn new(
        subject: &Subject,
        serving: &Serving,
        extent: &Extent,
        rounds: &[Round],
    ) -> anyhow::Result<Self> {
        let header = subject.picture_header()?;
        let all: Vec<&Round> = rounds.iter().collect();
        let steps = Steps::of(&all);
        let server: Vec<&Load> = rounds.iter().map(|round| &round.server).collect();
        let floor: Vec<&Load> = rounds.iter().map(|round| &round.floor).collect();
        let (server_view, floor) = (LoadView::of(&server), LoadView::of(&floor));
        let mean_batch = median(server.iter().map(|load| load.mean_batch));

        let workers = |load: &&Load| in_workers(load, subject);
        let others = |load: &&Load| load.cpu_us - in_workers(load, subject);
        let threads = vec![
            Threads {
                threads: "async threads: HTTP, decode, resize, softmax, JSON",
                limit_cpu_us: steps.others(),
                server_cpu_us: median(server.iter().map(others)),
            },
            Threads {
                threads: "workers: floats, inference",
                limit_cpu_us: steps.workers(),
                server_cpu_us: median(server.iter().map(workers)),
            },
        ];
        let named = vec![
            ("HTTP floor".to_owned(), steps.floor),
            ("decode".to_owned(), steps.decode),
            ("resize".to_owned(), steps.resize),
            ("pixels to floats".to_owned(), steps.floats),
            (
                format!("inference, batches of {mean_batch:.1}"),
                steps.inference,
            ),
            ("softmax, top k".to_owned(), steps.softmax),
            ("JSON".to_owned(), steps.json),
        ];
        let ratio = |round: &Round| round.server.cpu_us / Steps::of(&[round]).sum();
        Ok(Self {
            model: subject.files.model.to_string(),
            version: subject.files.version.to_string(),
            engine: serving.engine.clone(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            connections: extent.connections,
            seconds: extent.time.as_secs_f64(),
            rounds: rounds.len(),
            picture: PictureView {
                origin: subject.picture_origin.clone(),
                format: header.format.to_string(),
                width: header.width,
                height: header.height,
                bytes: subject.picture.len(),
            },
            waterfall: Waterfall::new(named, server_view.cpu_us),
            server_over_limit_rounds: rounds.iter().map(ratio).collect(),
            threads,
            inference: inference(&all)
                .into_iter()
                .map(|(rows, cpu_us)| Inference { rows, cpu_us })
                .collect(),
            mean_batch,
            max_batch: serving.max_batch,
            workers: serving.workers,
            server: server_view,
            floor,
        })
    }
}

/// CPU-µs per request in the threads that run engines; they are named `<version>/<number>`.
fn in_workers(load: &Load, subject: &Subject) -> f64 {
    let name = format!("{}/", subject.files.version);
    let name = &name[..name.len().min(THREAD_NAME_BYTES)];
    let threads = load.cpu_us_by_thread.iter();
    threads
        .filter(|(thread, _)| thread.starts_with(name))
        .map(|(_, cpu_us)| cpu_us)
        .sum()
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let picture = &self.picture;
        writeln!(
            f,
            "{}/{} on {}, {} cores, {} workers with batches of up to {}",
            self.model, self.version, self.engine, self.cores, self.workers, self.max_batch
        )?;
        writeln!(
            f,
            "{}: {} of {} x {}, {} bytes; {} connections, medians of {} rounds of {} s",
            picture.origin,
            picture.format,
            picture.width,
            picture.height,
            picture.bytes,
            self.connections,
            self.rounds,
            self.seconds
        )?;
        writeln!(f, "{}", self.table())?;
        let rounds = self.server_over_limit_rounds.iter().copied();
        writeln!(
            f,
            "the server spends {:.2} times the limit (rounds: {:.2} to {:.2})",
            self.waterfall.server_over_limit,
            rounds.clone().fold(f64::INFINITY, f64::min),
            rounds.fold(0.0, f64::max)
        )?;
        for one in &self.threads {
            writeln!(
                f,
                "  {}: {:.1} of {:.1}, gap {:+.1}",
                one.threads,
                one.server_cpu_us,
                one.limit_cpu_us,
                one.server_cpu_us - one.limit_cpu_us
            )?;
        }
        for (name, load) in [("server", &self.server), ("HTTP floor", &self.floor)] {
            writeln!(
                f,
                "  {name}: {:.0} answers/s, p50 {:.0} µs, p99 {:.0} µs; {:.1} µs in the kernel, {:.2} sleeps per request",
                load.per_second, load.p50_us, load.p99_us, load.system_us, load.sleeps
            )?;
        }
        let sizes = self.inference.iter();
        let sizes: Vec<String> = sizes
            .map(|one| format!("{} × {:.1}", one.rows, one.cpu_us))
            .collect();
        writeln!(
            f,
            "inference by batch size, CPU-µs per picture: {}; in between, a run grows evenly with its rows",
            sizes.join(", ")
        )
    }
}

impl Report {
    fn table(&self) -> Table {
        let waterfall = &self.waterfall;
        let whole = waterfall.server_cpu_us.max(waterfall.limit_cpu_us);
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_header(["step", "CPU-µs", "share", "sum", ""]);
        let mut row = |name: &str, cpu_us: f64, sum: Option<f64>, begin: f64| {
            let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
            table.add_row([
                Cell::new(name),
                right(format!("{cpu_us:.2}")),
                right(format!("{:.0}%", 100.0 * cpu_us / waterfall.server_cpu_us)),
                right(sum.map_or(String::new(), |sum| format!("{sum:.2}"))),
                Cell::new(bar(begin / whole, cpu_us / whole)),
            ]);
        };
        for step in &waterfall.steps {
            let begin = step.sum_us - step.cpu_us;
            row(&step.step, step.cpu_us, Some(step.sum_us), begin);
        }
        let (limit, server) = (waterfall.limit_cpu_us, waterfall.server_cpu_us);
        row("the limit", limit, None, 0.0);
        row("gap", waterfall.gap_cpu_us, Some(server), limit);
        row("the server", server, None, 0.0);
        table
    }
}

/// A bar from `begin` on, both given as fractions of the whole width; empty if `length` is negative.
fn bar(begin: f64, length: f64) -> String {
    let column = |part: f64| (WIDTH * part.clamp(0.0, 1.0)).round() as usize;
    let (from, to) = (column(begin), column(begin + length.max(0.0)));
    match (length > 0.0, to > from) {
        (true, true) => " ".repeat(from) + &"█".repeat(to - from),
        // Shorter than one column.
        (true, false) => " ".repeat(from) + "▏",
        (false, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_begin_where_the_previous_one_ends() {
        assert_eq!(bar(0.0, 1.0), "█".repeat(32));
        assert_eq!(bar(0.5, 0.25), " ".repeat(16) + &"█".repeat(8));
        assert_eq!(bar(0.5, 0.001), " ".repeat(16) + "▏");
        assert_eq!(bar(0.9, -0.3), "");
        assert_eq!(bar(f64::NAN, f64::NAN), "");
    }
}
