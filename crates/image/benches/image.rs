//! What a picture costs from its bytes to a batch row, in CPU time of the whole process (decoders may use threads).
//!
//! ```text
//! cargo bench -p stillhouse-image [--features turbojpeg]
//! STILLHOUSE_BENCH_PHOTO=photo.png ...   enlarges this picture to 12 megapixels, not the synthetic fixture
//! ```

use std::{fmt::Write, hint::black_box, time::Duration};

use cpu_time::ProcessTime;
use criterion::{
    Criterion, Throughput,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use fast_image_resize::{
    PixelType, Resizer,
    images::{Image, ImageRef},
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use stillhouse_image::{
    Color, Layout, Limits, Normalization, Picture, Pixels, Transform, check_jpeg, decode,
};

const FIXTURE: &[u8] = include_bytes!("../tests/fixtures/images/large.jpg");

fn network(color: Color, side: u32) -> Transform {
    let channels = color.channels();
    Transform {
        mean: [0.485, 0.456, 0.406][..channels].to_vec(),
        std: [0.229, 0.224, 0.225][..channels].to_vec(),
        ..Transform::plain(color, side, side)
    }
}

fn limits(jpeg_reduction: bool) -> Limits {
    Limits {
        jpeg_reduction,
        ..Limits::default()
    }
}

fn pixels(bytes: &[u8], limits: &Limits, transform: &Transform) -> Pixels {
    transform.apply(decode(bytes, limits, transform).expect("a good picture"))
}

/// The source picture enlarged to `width` x `height`, with the noise of a sensor, as a camera would encode it.
fn photo(source: &Picture, width: u16, height: u16) -> Vec<u8> {
    let view = ImageRef::new(
        source.width(),
        source.height(),
        source.bytes(),
        PixelType::U8x3,
    )
    .expect("RGB");
    let mut large = Image::new(width.into(), height.into(), PixelType::U8x3);
    Resizer::new()
        .resize(&view, &mut large, None)
        .expect("two RGB images");
    let mut pixels = large.into_vec();
    let mut state = 1_u32;
    for pixel in &mut pixels {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // The sum of two dice: -10..=10, zero most often; about 3 bits a pixel, as phones write.
        let noise = (state >> 24) % 11 + (state >> 16 & 0xff) % 11;
        *pixel = pixel.saturating_add(noise as u8).saturating_sub(10);
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(&pixels, width, height, ColorType::Rgb)
        .expect("a vector takes everything");
    out
}

fn digit() -> Vec<u8> {
    let pixels: Vec<u8> = (0..28 * 28_u32)
        .map(|i| {
            let (x, y) = (i % 28, i / 28);
            let distance = x.abs_diff(14).pow(2) + y.abs_diff(14).pow(2);
            // A ring, as of a zero.
            (255 / (1 + distance.abs_diff(64) / 8)) as u8
        })
        .collect();
    stillhouse_test_support::png(28, 28, png::ColorType::Grayscale, &pixels)
}

fn bench(c: &mut Criterion<CpuTime>) {
    let mut group = c.benchmark_group("png_28x28_gray");
    let png = digit();
    let gray = network(Color::Gray, 28);
    let mut row = vec![0.0; gray.row_len()];
    let normalization = Normalization::new(&gray).expect("a good transform");
    group.bench_function("to_pixels", |b| {
        b.iter(|| pixels(black_box(&png), &limits(true), &gray));
    });
    group.bench_function("to_row", |b| {
        b.iter(|| {
            let pixels = pixels(black_box(&png), &limits(true), &gray);
            normalization.write(pixels.bytes(), black_box(&mut row));
        });
    });
    group.finish();

    let source = match std::env::var_os("STILLHOUSE_BENCH_PHOTO") {
        Some(path) => std::fs::read(path).expect("STILLHOUSE_BENCH_PHOTO names a readable file"),
        None => FIXTURE.to_vec(),
    };
    let rgb = network(Color::Rgb, 224);
    let source = decode(&source, &limits(false), &rgb).expect("a good picture");
    for (name, width, height, targets) in [
        (
            "jpeg_640x480",
            640,
            480,
            &[(Color::Rgb, 224), (Color::Gray, 28)][..],
        ),
        (
            "jpeg_4000x3000",
            4000,
            3000,
            &[(Color::Rgb, 224), (Color::Gray, 28)][..],
        ),
    ] {
        let jpeg = photo(&source, width, height);
        println!("{name}: {} bytes", jpeg.len());
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("check", |b| {
            b.iter(|| check_jpeg(black_box(&jpeg), &limits(true)).expect("whole"));
        });
        for (color, side) in targets {
            let transform = network(*color, *side);
            for reduction in [false, true] {
                let mut id = format!("to_{side}_");
                let how = if reduction { "reduced" } else { "full" };
                let _ = write!(id, "{how}");
                let limits = limits(reduction);
                group.bench_function(id, |b| {
                    b.iter(|| pixels(black_box(&jpeg), &limits, &transform));
                });
            }
        }
        group.finish();
    }

    let mut group = c.benchmark_group("row_224x224x3");
    let jpeg = photo(&source, 224, 224);
    let input = pixels(&jpeg, &limits(true), &rgb);
    let mut row = vec![0.0; rgb.row_len()];
    group.throughput(Throughput::Bytes(rgb.row_len() as u64));
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let transform = Transform {
            layout,
            ..rgb.clone()
        };
        let normalization = Normalization::new(&transform).expect("a good transform");
        group.bench_function(format!("{layout:?}").to_lowercase(), |b| {
            b.iter(|| normalization.write(black_box(input.bytes()), black_box(&mut row)));
        });
    }
    group.finish();
}

/// CPU time of the process, user and system, all threads.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = ProcessTime;
    type Value = Duration;

    fn start(&self) -> ProcessTime {
        ProcessTime::now()
    }
    fn end(&self, start: ProcessTime) -> Duration {
        start.elapsed()
    }
    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(CpuTime)
        .configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}
