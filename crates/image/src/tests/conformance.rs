//! One truth for both JPEG back ends: over files that are made here, the picture of the intact file or a refusal.

mod damaged;
mod harmless;
mod kinds;
mod pillow_corpus;
mod png;
mod webp;

use super::{difference, fixture, target};
use crate::{Color, ImageError, Limits, Picture, decode};

/// Decodes in full, in colour.
fn try_full(bytes: &[u8]) -> Result<Picture, ImageError> {
    let limits = Limits {
        jpeg_reduction: false,
        ..Limits::default()
    };
    decode(bytes, &limits, &target(Color::Rgb, 16, 16))
}

fn full(bytes: &[u8], name: &str) -> Picture {
    try_full(bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The same size, and no sample differs by more than `most`.
fn assert_same(found: &Picture, expected: &Picture, most: u8, name: &str) {
    let key = |picture: &Picture| (picture.width(), picture.height(), picture.color());
    assert_eq!(key(found), key(expected), "{name}");
    let (mean, found_most) = difference(found.bytes(), expected.bytes());
    assert!(
        found_most <= most,
        "{name}: differs by {mean:.3} on average, {found_most} at most"
    );
}

/// Small JPEGs of every kind that Pillow writes, each decoded correctly as `tests::decoding` knows.
const SMALL: [&str; 13] = [
    "rgb_444.jpg",
    "rgb_422.jpg",
    "rgb_420.jpg",
    "progressive_444.jpg",
    "progressive_422.jpg",
    "progressive_420.jpg",
    "restarts.jpg",
    "restarts_progressive.jpg",
    "gray_baseline.jpg",
    "gray_progressive.jpg",
    "adobe_rgb.jpg",
    "cmyk.jpg",
    "ycck.jpg",
];

/// Where each marker lies, those of coded data (restarts) included; SOI first, EOI last.
fn markers(jpeg: &[u8]) -> Vec<(usize, u8)> {
    let mut found = vec![(0, 0xd8)];
    let mut at = 2;
    while at + 1 < jpeg.len() {
        match (jpeg[at], jpeg[at + 1]) {
            (0xff, 0x00) => at += 2,
            (0xff, marker @ 0xd0..=0xd9) => {
                found.push((at, marker));
                at += 2;
            }
            (0xff, marker) => {
                found.push((at, marker));
                at += 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            }
            _ => at += 1,
        }
    }
    found
}

/// Content and position of the first segment of this kind.
fn segment(jpeg: &[u8], marker: u8) -> std::ops::Range<usize> {
    let (at, _) = markers(jpeg)
        .into_iter()
        .find(|found| found.1 == marker)
        .unwrap();
    at + 4..at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]))
}

/// A segment before all others.
fn with_first(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}
