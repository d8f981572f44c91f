//! Decoding against Pillow's pixels, hostile bytes, geometry, normalisation.

mod conformance;
mod damage;
mod decoding;
mod jpeg_kinds;
mod normalizing;
mod reduction;
mod refusing;
mod resizing;

use std::path::PathBuf;

use super::{Color, Layout, Transform};

/// A file of `tests/fixtures/images`.
pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    std::fs::read(path.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every file of `tests/fixtures/images` with one of these extensions.
pub(super) fn fixtures(extensions: &[&str]) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| extensions.iter().any(|extension| name.ends_with(extension)))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    names
}

/// Width, height and bytes of a binary PPM or PGM with a header of one line.
fn expected(name: &str) -> (u32, u32, Vec<u8>) {
    let file = fixture(&format!("expected/{name}"));
    let end = file.iter().position(|byte| *byte == b'\n').unwrap();
    let words: Vec<&str> = str::from_utf8(&file[..end]).unwrap().split(' ').collect();
    let [_, width, height, "255"] = words[..] else {
        panic!("{name}: {words:?}");
    };
    (
        width.parse().unwrap(),
        height.parse().unwrap(),
        file[end + 1..].to_vec(),
    )
}

/// A network of this size and colour that reads plain bytes.
pub(super) fn target(color: Color, width: u32, height: u32) -> Transform {
    Transform {
        layout: Layout::Nhwc,
        scale: 1.0,
        ..Transform::plain(color, width, height)
    }
}

/// Mean and greatest absolute difference of two rows of bytes.
pub(super) fn difference(found: &[u8], expected: &[u8]) -> (f64, u8) {
    assert_eq!(found.len(), expected.len());
    let differences = || found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences().map(f64::from).sum();
    (sum / found.len() as f64, differences().max().unwrap_or(0))
}
