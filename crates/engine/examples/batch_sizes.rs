//! Images per CPU-second at each batch size: is batching worth its while for this network on this machine?
//!
//! cargo run --release -p stillhouse-engine --example batch_sizes -- MODEL.onnx
//!     [--backend onnxruntime|tract] [--device cpu|cuda:0] [--sizes 1,2,4] [--threads 1] [--seconds 1] [--json]
//!
//! The input is noise. `--seconds` is what each size gets, in CPU time on Linux; in elapsed time on a device, for whose work
//! the processor hardly counts, and elsewhere.

use std::{
    env, fs,
    time::{Duration, Instant},
};

use stillhouse_engine::{Backend, Device, Engine, EngineOptions, prepare};

type Failure = Box<dyn std::error::Error>;

struct Arguments {
    model: String,
    options: EngineOptions,
    sizes: Vec<usize>,
    seconds: f64,
    json: bool,
}

struct Measured {
    size: usize,
    images_per_cpu_second: f64,
    latency_seconds: f64,
    resident_bytes: u64,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments(env::args().skip(1))?;
    let blueprint = prepare(&fs::read(&arguments.model)?.into(), &arguments.options)?;
    let largest = arguments.sizes.iter().copied().max().unwrap_or(1);
    let mut engine = blueprint.build(largest)?;
    let mut noise = noise();
    engine.input(largest).fill_with(&mut noise);
    let measured: Vec<Measured> = arguments
        .sizes
        .iter()
        .map(|size| {
            let on_cpu = arguments.options.device == Device::Cpu;
            measure(engine.as_mut(), *size, arguments.seconds, on_cpu)
        })
        .collect::<Result<_, Failure>>()?;
    match arguments.json {
        true => print_json(&arguments.model, &blueprint.describe(), &measured),
        false => print_table(&arguments.model, &blueprint.describe(), &measured),
    }
    Ok(())
}

fn measure(
    engine: &mut dyn Engine,
    size: usize,
    seconds: f64,
    on_cpu: bool,
) -> Result<Measured, Failure> {
    for _ in 0..2 {
        engine.input(size);
        engine.run(size)?;
    }
    let (began, cpu_began) = (Instant::now(), cpu_time());
    let spent = || {
        cpu_time()
            .zip(cpu_began)
            .map_or_else(|| began.elapsed(), |(now, then)| now - then)
    };
    let enough = || match on_cpu {
        true => spent().as_secs_f64() >= seconds,
        false => began.elapsed().as_secs_f64() >= seconds,
    };
    let mut runs = 0_u32;
    while !enough() {
        engine.input(size);
        engine.run(size)?;
        runs += 1;
    }
    Ok(Measured {
        size,
        // On a device there may be hardly any.
        images_per_cpu_second: f64::from(runs) * size as f64 / spent().as_secs_f64().max(0.01),
        latency_seconds: began.elapsed().as_secs_f64() / f64::from(runs),
        resident_bytes: resident_bytes(),
    })
}

fn print_table(model: &str, engine: &str, measured: &[Measured]) {
    println!("{model}\n{engine}\n");
    println!(
        "{:>6} {:>18} {:>10} {:>14} {:>13}",
        "batch", "images/CPU-second", "relative", "batch latency", "resident"
    );
    for row in measured {
        println!(
            "{:>6} {:>18.1} {:>10.2} {:>11.3} ms {:>10.1} MB",
            row.size,
            row.images_per_cpu_second,
            row.images_per_cpu_second / measured[0].images_per_cpu_second,
            row.latency_seconds * 1e3,
            row.resident_bytes as f64 / 1e6,
        );
    }
}

fn print_json(model: &str, engine: &str, measured: &[Measured]) {
    let rows: Vec<String> = measured
        .iter()
        .map(|row| {
            format!(
                r#"{{"batch":{},"images_per_cpu_second":{:.2},"latency_seconds":{:.9},"resident_bytes":{}}}"#,
                row.size, row.images_per_cpu_second, row.latency_seconds, row.resident_bytes
            )
        })
        .collect();
    // Debug quotes and escapes as JSON does for the names in question.
    println!(
        r#"{{"model":{model:?},"engine":{engine:?},"sizes":[{}]}}"#,
        rows.join(",")
    );
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, Failure> {
    let mut model = None;
    let mut options = EngineOptions::new(
        *Backend::compiled_in()
            .first()
            .ok_or("no back end is compiled in")?,
    );
    let (mut sizes, mut seconds, mut json) = (vec![1, 2, 4, 8, 16, 32, 64], 1.0, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--backend" => options.backend = value()?.parse()?,
            "--device" => options.device = value()?.parse()?,
            "--threads" => options.intra_threads = value()?.parse()?,
            "--seconds" => seconds = value()?.parse()?,
            "--sizes" => {
                sizes = value()?
                    .split(',')
                    .map(str::parse)
                    .collect::<Result<_, _>>()?
            }
            "--json" => json = true,
            _ if word.starts_with("--") => return Err(format!("{word} is no option here").into()),
            _ => model = Some(word),
        }
    }
    if sizes.contains(&0) {
        return Err("a batch has one row or more".into());
    }
    Ok(Arguments {
        model: model.ok_or("name a model: batch_sizes MODEL.onnx")?,
        options,
        sizes,
        seconds,
        json,
    })
}

/// User and system time of all threads; Linux counts it in hundredths of a second.
fn cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the program's name, may hold spaces; it ends at the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = [fields.get(11)?, fields.get(12)?]
        .into_iter()
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Some(Duration::from_millis(ticks * 10))
}

fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4096
}

/// xorshift; from 0 to 1.
fn noise() -> impl FnMut() -> f32 {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u32 << 24) as f32
    }
}
