//! Cut, flipped and arbitrary bytes, and streams that inflate without bound.

use proptest::prelude::*;

use super::{fixture, fixtures, target};
use crate::{Color, ImageError, Limits, Transform, decode, probe};

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

/// Never half a picture, wherever it is cut.
#[test]
fn truncated_anywhere() {
    for (name, bytes) in good() {
        // Those of many pixels at fewer positions.
        let many = name.starts_with("large") || name.starts_with("tall");
        let step = bytes.len().div_ceil(if many { 40 } else { 400 });
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
