//! What is refused by its kind or by the limits, before anything is decoded.

use super::{fixture, target};
use crate::{Color, Format, ImageError, Limits, Transform, decode, probe};

fn network() -> Transform {
    target(Color::Rgb, 28, 28)
}

fn try_decode(bytes: &[u8]) -> Result<(), ImageError> {
    decode(bytes, &Limits::default(), &network()).map(|_| ())
}

#[test]
fn headers_tell_format_and_stored_size() {
    for (name, format, size) in [
        ("rgb8.png", Format::Png, (37, 23)),
        ("tall.png", Format::Png, (1, 65_535)),
        ("huge.png", Format::Png, (50_000, 50_000)),
        ("exif6.jpg", Format::Jpeg, (37, 23)),
        ("progressive_420.jpg", Format::Jpeg, (37, 23)),
        ("lossy.webp", Format::WebP, (37, 23)),
        ("lossless.webp", Format::WebP, (37, 23)),
        ("lossy_alpha.webp", Format::WebP, (37, 23)),
    ] {
        let header = probe(&fixture(name)).unwrap();
        assert_eq!(
            (header.format, (header.width, header.height)),
            (format, size),
            "{name}"
        );
    }
}

#[test]
fn nothing_and_foreign_formats_are_named() {
    assert_eq!(probe(b""), Err(ImageError::Empty));
    assert_eq!(try_decode(b""), Err(ImageError::Empty));
    let check = |bytes: &[u8], expected: &str| match try_decode(bytes) {
        Err(ImageError::Unsupported { found }) => assert_eq!(found, expected),
        other => panic!("{expected}: {other:?}"),
    };
    for (name, expected) in [
        ("animated.png", "an animated PNG"),
        ("animated.webp", "an animated WebP"),
        ("foreign.gif", "a GIF"),
        ("foreign.bmp", "a BMP"),
        ("foreign.tiff", "a TIFF"),
        ("foreign.avif", "an AVIF"),
    ] {
        check(&fixture(name), expected);
    }
    check(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG");
    check(
        b"\xef\xbb\xbf\n<?xml version='1.0'?><!-- x --><svg/>",
        "an SVG",
    );
    check(b"<!DOCTYPE html><html>", "XML or HTML");
    check(b"{\"instances\": []}", "JSON");
    check(b"RIFF\x04\0\0\0WAVE", "a RIFF file that is not WebP");
    check(b"hello", "an unknown format");
    check(&[0], "an unknown format");
}

#[test]
fn a9_what_is_often_sent_by_mistake_is_named() {
    let check = |bytes: &[u8], expected: &str| match try_decode(bytes) {
        Err(ImageError::Unsupported { found }) => {
            assert!(found.starts_with(expected), "{found} instead of {expected}");
        }
        other => panic!("{expected}: {other:?}"),
    };
    check(
        b"data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==",
        "a data URL",
    );
    check(b"\"data:image/jpeg;base64,/9j/4AAQSkZJRg==\"", "a data URL");
    check(b"DATA:,x", "a data URL");
    for text in [
        "/9j/4AAQSkZJRgABAQ==",
        "_9j_4AAQSkZJRgABAQ",
        "iVBORw0KGgoAAAANSUhEUg==",
        "UklGRiQAAABXRUJQ",
        "\n  \"R0lGODlhAQABAIAAAA==\"",
    ] {
        check(text.as_bytes(), "base64 text");
    }
    check(b"\0\0\0\x18ftypmp42\0\0\0\0", "an MP4");
    check(b"II\xbc\x01", "a JPEG XR");
    // JPEG-LS: its frame header has a marker of its own.
    check(
        b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda",
        "a JPEG-LS",
    );
}

/// Frame headers that no back end gets to see.
#[test]
fn jpegs_of_unusual_kinds_are_named() {
    let good = fixture("rgb_444.jpg");
    let at = good.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let check = |offset: usize, byte: u8, expected: &str| {
        let mut bytes = good.clone();
        bytes[at + offset] = byte;
        match try_decode(&bytes) {
            Err(ImageError::Unsupported { found }) => assert_eq!(found, expected),
            other => panic!("{expected}: {other:?}"),
        }
    };
    check(1, 0xc3, "a lossless JPEG");
    check(1, 0xc5, "a hierarchical JPEG");
    check(1, 0xf7, "a JPEG-LS");
    check(1, 0xc9, "an arithmetic-coded JPEG");
    check(1, 0xca, "an arithmetic-coded JPEG");
    check(4, 12, "a JPEG of other than 8 bits a sample");
    check(6, 0, "a JPEG without a height in its header");
    check(9, 2, "a JPEG of neither 1, 3 nor 4 channels");
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    let huge = fixture("huge.png");
    assert!(huge.len() < 10_000);
    assert_eq!(
        try_decode(&huge),
        Err(ImageError::TooLarge {
            width: 50_000,
            height: 50_000,
            limit_pixels: 50_000_000,
            limit_side: 65_535,
        })
    );
    let bytes = fixture("rgb8.png");
    let check = |limits: Limits| decode(&bytes, &limits, &network()).map(|_| ());
    let limits = Limits::default;
    assert!(matches!(
        check(Limits {
            max_bytes: bytes.len() - 1,
            ..limits()
        }),
        Err(ImageError::TooManyBytes { .. })
    ));
    assert!(
        check(Limits {
            max_bytes: bytes.len(),
            ..limits()
        })
        .is_ok()
    );
    assert!(matches!(
        check(Limits {
            max_pixels: 37 * 23 - 1,
            ..limits()
        }),
        Err(ImageError::TooLarge { .. })
    ));
    assert!(
        check(Limits {
            max_pixels: 37 * 23,
            ..limits()
        })
        .is_ok()
    );
    assert!(matches!(
        check(Limits {
            max_side: 36,
            ..limits()
        }),
        Err(ImageError::TooLarge { .. })
    ));
    assert!(
        check(Limits {
            max_side: 37,
            ..limits()
        })
        .is_ok()
    );
}

/// What libjpeg can't read is refused by both back ends, and what one byte of data can't hold isn't tried.
#[test]
fn jpegs_whose_header_promises_too_much() {
    let patched = |name: &str, marker: u8, height: u16, width: u16| {
        let mut bytes = fixture(name);
        let at = bytes.windows(2).position(|w| w == [0xff, marker]).unwrap();
        bytes[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
        bytes[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
        bytes
    };
    assert!(matches!(
        try_decode(&patched("tall.jpg", 0xc0, 65_535, 1)),
        Err(ImageError::TooLarge {
            limit_side: 65_500,
            ..
        })
    ));
    for (name, marker) in [("rgb_420.jpg", 0xc0), ("progressive_420.jpg", 0xc2)] {
        assert_eq!(
            try_decode(&patched(name, marker, 6000, 8000)),
            Err(ImageError::corrupt(
                Format::Jpeg,
                "it has too little data for its size"
            ))
        );
    }
}

#[test]
fn scans_are_counted() {
    let bytes = fixture("gray_progressive.jpg");
    let scans = bytes.windows(2).filter(|w| w == &[0xff, 0xda]).count();
    let with_limit = |max_scans| {
        let limits = Limits {
            max_scans,
            ..Limits::default()
        };
        decode(&bytes, &limits, &network()).map(|_| ())
    };
    assert_eq!(with_limit(scans), Ok(()));
    let limit = scans - 1;
    assert_eq!(with_limit(limit), Err(ImageError::TooManyScans { limit }));
}

/// What was sent isn't sent again: thousands of scans cost no more than the first that is too many.
#[test]
fn scans_that_repeat_each_other_are_damage() {
    let bytes = fixture("gray_progressive.jpg");
    let scan = bytes.windows(2).rposition(|w| w == [0xff, 0xda]).unwrap();
    let (head, tail) = bytes.split_at(scan);
    let (scan, end) = tail.split_at(tail.len() - 2);
    for scans in [2, 5_000] {
        assert_eq!(
            try_decode(&[head, &scan.repeat(scans), end].concat()),
            Err(ImageError::corrupt(
                Format::Jpeg,
                "its scans contradict each other"
            ))
        );
    }
}

#[test]
fn limits_are_settings_with_defaults() {
    let limits: Limits = toml::from_str("max_pixels = 1000").unwrap();
    assert_eq!(
        limits,
        Limits {
            max_pixels: 1000,
            ..Limits::default()
        }
    );
    assert!(toml::from_str::<Limits>("max_pixel = 1000").is_err());
}
