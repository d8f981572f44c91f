//! What decoding allocates, counted, against what [`working_bytes`] says before. In a build with libjpeg-turbo its own memory isn't
//! counted, so there the bound is only looked at from above.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use stillhouse_image::{Color, Limits, Resize, Transform, decode, probe, working_bytes};

/// What doesn't grow with the picture: the decoders' windows and tables.
const FIXED_BYTES: u64 = 1 << 20;

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    MOST.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Where it moves, both exist for a moment.
        grown(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn jpeg(sampling: SamplingFactor, progressive: bool, color: ColorType) -> Vec<u8> {
    const SIDES: (u16, u16) = (1000, 750);
    let samples = if color == ColorType::Rgb { 3 } else { 4 };
    let pixels: Vec<u8> = (0..samples * usize::from(SIDES.0) * usize::from(SIDES.1))
        .map(|i| ((i * i) >> 7) as u8 / 8)
        .collect();
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 90);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    encoder
        .encode(&pixels, SIDES.0, SIDES.1, color)
        .expect("a vector takes everything");
    out
}

/// With orientation 6: to be turned by 90 degrees.
fn turned(jpeg: &[u8]) -> Vec<u8> {
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [&jpeg[..2], exif, &jpeg[2..]].concat()
}

fn pictures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    let mut pictures: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("the fixtures")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect();
    for (name, sampling) in [
        ("4:2:0", SamplingFactor::F_2_2),
        ("4:4:4", SamplingFactor::F_1_1),
    ] {
        for progressive in [false, true] {
            let jpeg = jpeg(sampling, progressive, ColorType::Rgb);
            pictures.push((
                format!("{name}, progressive {progressive}, turned"),
                turned(&jpeg),
            ));
            pictures.push((format!("{name}, progressive {progressive}"), jpeg));
        }
    }
    let cmyk = jpeg(SamplingFactor::F_1_1, false, ColorType::Cmyk);
    pictures.push(("CMYK".to_owned(), cmyk));
    for (name, color, samples) in [
        ("RGB", png::ColorType::Rgb, 3),
        ("RGBA", png::ColorType::Rgba, 4),
        ("gray", png::ColorType::Grayscale, 1),
        ("gray and alpha", png::ColorType::GrayscaleAlpha, 2),
    ] {
        let pixels = vec![7; 1000 * 750 * samples];
        let png = stillhouse_test_support::png(1000, 750, color, &pixels);
        pictures.push((format!("PNG, {name}"), png));
    }
    let strip = vec![7; 3 * 30_000 * 20];
    pictures.push((
        "high".to_owned(),
        stillhouse_test_support::png(20, 30_000, png::ColorType::Rgb, &strip),
    ));
    pictures.push((
        "wide".to_owned(),
        stillhouse_test_support::png(30_000, 20, png::ColorType::Rgb, &strip),
    ));
    pictures
}

#[test]
fn c2_no_picture_takes_more_memory_than_was_said_before() {
    let limits = [true, false].map(|jpeg_reduction| Limits {
        jpeg_reduction,
        ..Limits::default()
    });
    let crop = Transform {
        resize: Resize::Crop,
        ..Transform::plain(Color::Rgb, 224, 224)
    };
    let targets = [
        Transform::plain(Color::Rgb, 224, 224),
        Transform::plain(Color::Gray, 28, 28),
        crop,
    ];
    let mut wrong = Vec::new();
    for (name, bytes) in pictures() {
        let Ok(header) = probe(&bytes) else { continue };
        for (limits, target) in limits
            .iter()
            .flat_map(|limits| targets.iter().map(move |target| (limits, target)))
        {
            let said = working_bytes(&bytes, &header, limits, target);
            let before = HELD.load(Relaxed);
            MOST.store(before, Relaxed);
            let pixels = decode(&bytes, limits, target).map(|picture| target.apply(picture));
            let most = (MOST.load(Relaxed) - before) as u64;
            let times = match (header.format, cfg!(feature = "turbojpeg")) {
                // Not counted.
                (stillhouse_image::Format::Jpeg, true) => u64::MAX >> 32,
                // What a JPEG's channels mean, and so which decoder gets it, is known only once it was read.
                (stillhouse_image::Format::Jpeg, false) => 6,
                _ => 3,
            };
            let is_wasteful = pixels.is_ok() && said > times * most + FIXED_BYTES;
            if most > said + FIXED_BYTES || is_wasteful {
                let (color, resize, reduced) = (target.color, target.resize, limits.jpeg_reduction);
                wrong.push(format!("{name}, {color:?} {resize:?}, reduced {reduced}: {most} bytes, said were {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
