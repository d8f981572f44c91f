use proptest::prelude::*;

use super::{fixture, fixtures, target};
use crate::image::{Color, Format, ImageError, Limits, Transform, decode, probe};

const ALL: &[&str] = &[".png", ".jpg", ".webp"];

fn network() -> Transform {
    target(Color::Rgb, 28, 28)
}

fn try_decode(bytes: &[u8]) -> Result<(), ImageError> {
    decode(bytes, &Limits::default(), &network()).map(|picture| {
        network().apply(picture);
    })
}

/// The pictures that decode.
fn good() -> Vec<(String, Vec<u8>)> {
    let good: Vec<_> = fixtures(ALL)
        .into_iter()
        .filter(|name| {
            !["huge", "bomb", "animated"]
                .iter()
                .any(|bad| name.starts_with(bad))
        })
        .map(|name| (name.clone(), fixture(&name)))
        .collect();
    for (name, bytes) in &good {
        assert_eq!(try_decode(bytes), Ok(()), "{name}");
    }
    good
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

/// Profiles and texts are never inflated: that their streams are valid, and large, makes no difference.
#[test]
fn bombs_in_chunks_that_nobody_needs_stay_closed() {
    for name in ["bomb_iccp.png", "bomb_ztxt.png", "bomb_itxt.png"] {
        let bytes = fixture(name);
        assert!(bytes.len() < 5_000);
        let picture = decode(&bytes, &Limits::default(), &target(Color::Gray, 16, 16)).unwrap();
        assert_eq!(picture.bytes(), [7; 256], "{name}");

        let mut broken = bytes.clone();
        let kind = &name.as_bytes()[5..9];
        let at = broken
            .windows(4)
            .position(|w| w.eq_ignore_ascii_case(kind))
            .unwrap();
        let length = u32::from_be_bytes(broken[at - 4..at].try_into().unwrap()) as usize;
        broken[at + 20..at + 4 + length].fill(0xff);
        let crc = crc32(&broken[at..at + 4 + length]);
        broken[at + 4 + length..at + 8 + length].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(
            try_decode(&broken),
            Ok(()),
            "{name} with a stream that can't be inflated"
        );
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn pixel_data_beyond_the_picture_is_not_followed() {
    let picture = decode(
        &fixture("bomb_idat.png"),
        &Limits::default(),
        &target(Color::Gray, 16, 16),
    );
    assert_eq!(picture.unwrap().bytes(), [0; 256]);
}

#[test]
fn scans_are_counted() {
    let bytes = fixture("gray_progressive.jpg");
    let scan = bytes.windows(2).rposition(|w| w == [0xff, 0xda]).unwrap();
    let (head, tail) = bytes.split_at(scan);
    let (scan, end) = tail.split_at(tail.len() - 2);
    let with = |scans: usize| [head, &scan.repeat(scans), end].concat();
    let before = bytes.windows(2).filter(|w| w == &[0xff, 0xda]).count() - 1;
    assert_eq!(
        try_decode(&with(5_000)),
        Err(ImageError::TooManyScans { limit: 64 })
    );
    assert_eq!(
        try_decode(&with(65 - before)),
        Err(ImageError::TooManyScans { limit: 64 })
    );
    assert_ne!(
        try_decode(&with(64 - before)),
        Err(ImageError::TooManyScans { limit: 64 })
    );
}

/// Never half a picture, wherever it is cut.
#[test]
fn truncated_anywhere() {
    for (name, bytes) in good() {
        // The large ones at some positions, the small ones at all.
        let step = (bytes.len() / 500).max(1);
        for cut in (0..bytes.len())
            .step_by(step)
            .chain(bytes.len() - 3..bytes.len())
        {
            match try_decode(&bytes[..cut]) {
                Err(ImageError::Empty) => assert_eq!(cut, 0),
                Err(ImageError::Unsupported { found }) => {
                    assert!(cut < 12, "{name} cut at {cut}: {found}");
                }
                Err(ImageError::Corrupt { .. }) => {}
                other => panic!("{name} cut at {cut} of {}: {other:?}", bytes.len()),
            }
        }
    }
}

/// Every chunk's checksum counts, and so does the one inside the compressed pixels.
#[test]
fn one_flipped_bit_in_a_png_is_noticed() {
    for name in [
        "gray8.png",
        "rgba8.png",
        "palette_alpha.png",
        "rgb_transparent.png",
        "interlaced_rgb.png",
    ] {
        let bytes = fixture(name);
        for at in 0..bytes.len() {
            for bit in [0, 5] {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert!(
                    try_decode(&bytes).is_err(),
                    "{name}: bit {bit} of byte {at}"
                );
            }
        }
    }
}

/// Data that ends early but is closed with an end marker: the pure Rust back end can't know.
#[cfg(feature = "turbojpeg")]
#[test]
fn a_jpeg_that_lost_a_part_inside_is_noticed() {
    let bytes = fixture("restarts.jpg");
    let is_restart = |w: &[u8]| w[0] == 0xff && (0xd0..=0xd7).contains(&w[1]);
    let first = bytes.windows(2).position(is_restart).unwrap();
    let cut = [&bytes[..first], &[0xff, 0xd9]].concat();
    assert!(
        matches!(try_decode(&cut), Err(ImageError::Corrupt { .. })),
        "{:?}",
        try_decode(&cut)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_no_disaster(mut bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..4_usize) {
        let magic: &[u8] = [&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x80\0\0\0WEBPVP8X"][kind];
        bytes.splice(..0, magic.iter().copied());
        let _ = probe(&bytes);
        let _ = try_decode(&bytes);
    }

    /// A few bytes of a good picture changed, removed or doubled.
    #[test]
    fn mutated_pictures_are_no_disaster(
        file in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 1..6),
    ) {
        let names = fixtures(ALL);
        let mut bytes = fixture(file.get::<String>(&names));
        for (at, kind, byte) in edits {
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                2 => bytes.insert(at, byte),
                _ => bytes[at] = [0x00, 0xff, 0x7f, 0x80][usize::from(byte % 4)],
            }
        }
        let _ = probe(&bytes);
        // Small limits: a mutated header may ask for much, and this is about panics.
        let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
        let _ = decode(&bytes, &limits, &network()).map(|picture| network().apply(picture));
    }
}
