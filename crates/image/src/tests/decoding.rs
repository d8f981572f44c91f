//! Decoded pixels against Pillow's.

use super::{difference, expected, fixture, target};
use crate::{Color, Limits, decode};

/// Decodes for colour and for gray and compares with what Pillow made of it.
///
/// `most` bounds the greatest difference of one sample, `mean` that of all on average.
fn check(name: &str, (mean, most): (f64, u8)) {
    let (stem, _) = name.split_once('.').unwrap();
    let bytes = fixture(name);
    for (color, extension) in [
        (Color::Rgb, "ppm"),
        (Color::Gray, "pgm"),
        (Color::Bgr, "ppm"),
    ] {
        let (width, height, expected) = expected(&format!("{stem}.{extension}"));
        let target = target(color, width, height);
        let picture = decode(&bytes, &Limits::default(), &target)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (picture.width(), picture.height()),
            (width, height),
            "{name}"
        );
        if color == Color::Gray {
            assert_eq!(picture.color(), Color::Gray);
        }
        let mut found = target.apply(picture).bytes().to_vec();
        if color == Color::Bgr {
            found
                .as_chunks_mut::<3>()
                .0
                .iter_mut()
                .for_each(|pixel| pixel.reverse());
        }
        let (found_mean, found_most) = difference(&found, &expected);
        assert!(
            found_mean <= mean && found_most <= most,
            "{name} as {color:?}: differs by {found_mean:.3} on average, {found_most} at most"
        );
    }
}

const EXACT: (f64, u8) = (0.0, 0);

#[test]
fn png_of_every_kind_is_exact() {
    for name in [
        "gray1.png",
        "gray8.png",
        "gray16.png",
        "rgb8.png",
        "rgb16.png",
        "rgba8.png",
        "rgba16.png",
        "la8.png",
        "la16.png",
        "palette4.png",
        "palette8.png",
        "palette_alpha.png",
        "gray_transparent.png",
        "rgb_transparent.png",
        "interlaced_gray.png",
        "interlaced_rgb.png",
        "interlaced_rgba.png",
        "exif6_png.png",
        "one_pixel.png",
    ] {
        check(name, EXACT);
    }
}

#[test]
fn webp_of_every_kind_is_exact() {
    for name in [
        "lossless.webp",
        "lossless_alpha.webp",
        "lossy.webp",
        "lossy_alpha.webp",
        "exif8_webp.webp",
    ] {
        check(name, EXACT);
    }
}

/// Decoders may round the inverse cosine transform differently, and interpolate chroma differently.
#[test]
fn jpeg_of_every_kind() {
    for name in [
        "rgb_444.jpg",
        "progressive_444.jpg",
        "gray_baseline.jpg",
        "gray_progressive.jpg",
        "adobe_rgb.jpg",
        "cmyk.jpg",
        "ycck.jpg",
        "one_pixel_jpeg.jpg",
    ] {
        check(name, (0.05, 2));
    }
    for name in [
        "rgb_422.jpg",
        "progressive_422.jpg",
        "rgb_420.jpg",
        "progressive_420.jpg",
        "restarts.jpg",
        "restarts_progressive.jpg",
    ] {
        check(name, (0.5, 4));
    }
}

#[test]
fn jpeg_in_every_orientation() {
    for value in 1..=8 {
        check(&format!("exif{value}.jpg"), (0.05, 2));
    }
}

#[test]
fn strips_of_one_pixel_width() {
    let tall = decode(
        &fixture("tall.png"),
        &Limits::default(),
        &target(Color::Gray, 28, 28),
    )
    .unwrap();
    assert_eq!((tall.width(), tall.height()), (1, 65_535));
    assert!(
        tall.bytes()
            .iter()
            .enumerate()
            .all(|(i, byte)| i % 256 == usize::from(*byte))
    );

    let limits = Limits {
        jpeg_reduction: false,
        ..Limits::default()
    };
    let tall = decode(&fixture("tall.jpg"), &limits, &target(Color::Gray, 28, 28)).unwrap();
    assert_eq!((tall.width(), tall.height()), (1, 65_500));
    for (i, byte) in tall.bytes().iter().enumerate() {
        assert!(
            i.abs_diff(usize::from(*byte) * 256) <= 512,
            "row {i} is {byte}"
        );
    }
}

/// Some encoders write sampling factors other than 1 for a single channel, where they mean nothing.
#[test]
fn gray_jpeg_with_sampling_factors() {
    for name in ["gray_baseline.jpg", "gray_progressive.jpg"] {
        let bytes = fixture(name);
        let sof = bytes
            .windows(2)
            .position(|w| matches!(w, [0xff, 0xc0 | 0xc2]))
            .unwrap();
        let (width, height, expected) = expected(&format!("{}.pgm", name.trim_end_matches(".jpg")));
        for factors in [0x12, 0x21, 0x22, 0x41, 0x44] {
            let mut bytes = bytes.clone();
            bytes[sof + 11] = factors;
            let target = target(Color::Gray, width, height);
            let picture = decode(&bytes, &Limits::default(), &target).unwrap();
            let (mean, most) = difference(target.apply(picture).bytes(), &expected);
            assert!(
                mean <= 0.05 && most <= 2,
                "{name} with {factors:#x}: {mean:.3} on average, {most} at most"
            );
        }
    }
}
