//! Every subsampling, progression, restarts and scans of one channel each, of which Pillow writes only some, in every
//! small size: against the pixels that were encoded, smooth enough to survive it.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::{difference, target};
use crate::{Color, Limits, Picture, decode};

pub(super) const FACTORS: [SamplingFactor; 8] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_1_2,
    SamplingFactor::F_2_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
    SamplingFactor::F_1_4,
    SamplingFactor::F_2_4,
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) factor: SamplingFactor,
    pub(super) progressive: bool,
    /// As this encoder does it: a scan for each channel.
    pub(super) optimized: bool,
    /// In units of coded blocks; 0 for none.
    pub(super) restart: u16,
}

/// Rises by 2 a pixel at most.
fn ramp(width: u32, height: u32) -> Vec<u8> {
    (0..height)
        .flat_map(|y| (0..width).map(move |x| (x % 100, y % 100)))
        .flat_map(|(x, y)| [20 + 2 * x, 230 - 2 * y, 60 + x / 2 + y])
        .map(|value| value as u8)
        .collect()
}

pub(super) fn encode(kind: Kind, pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 95);
    encoder.set_sampling_factor(kind.factor);
    encoder.set_progressive(kind.progressive);
    encoder.set_optimized_huffman_tables(kind.optimized);
    encoder.set_restart_interval(kind.restart);
    encoder
        .encode(pixels, width as u16, height as u16, ColorType::Rgb)
        .unwrap();
    jpeg
}

fn check(kind: Kind, (width, height): (u32, u32), reduced_to: Option<(u32, u32)>) {
    let pixels = ramp(width, height);
    let jpeg = encode(kind, &pixels, width, height);
    for color in [Color::Rgb, Color::Gray] {
        let name = format!("{width} x {height} {kind:?} as {color:?}");
        let source = Picture::of(width, height, Color::Rgb, pixels.clone());
        let (to_width, to_height) = reduced_to.unwrap_or((width, height));
        let network = target(color, to_width, to_height);
        let picture = decode(&jpeg, &Limits::default(), &network);
        let picture = picture.unwrap_or_else(|error| panic!("{name}: {error}"));
        if reduced_to.is_none() {
            assert_eq!(
                (picture.width(), picture.height()),
                (width, height),
                "{name}"
            );
        } else if color == Color::Rgb {
            assert!(
                picture.width() < width && picture.height() < height,
                "{name}"
            );
        }
        let (mean, most) = difference(
            network.apply(picture).bytes(),
            network.apply(source).bytes(),
        );
        assert!(
            mean < 3.5 && most <= 16,
            "{name}: differs by {mean:.3} on average, {most} at most"
        );
    }
}

#[test]
fn every_kind_full_and_reduced() {
    for factor in FACTORS {
        for (progressive, optimized, restart) in [
            (false, false, 0),
            (false, false, 3),
            (false, true, 0),
            (true, false, 0),
            (true, false, 5),
        ] {
            let kind = Kind {
                factor,
                progressive,
                optimized,
                restart,
            };
            check(kind, (99, 75), None);
            check(kind, (99, 75), Some((12, 9)));
        }
    }
}

proptest! {
    #[test]
    fn every_small_size(
        factor in any::<prop::sample::Index>(),
        (progressive, optimized) in prop_oneof![
            Just((false, false)), Just((false, true)), Just((true, false)), Just((true, true)),
        ],
        restart in 0..6_u16,
        (width, height) in (1..70_u32, 1..70_u32),
    ) {
        // This encoder can't count symbols across restarts.
        let restart = if optimized { 0 } else { restart };
        let kind = Kind { factor: *factor.get(&FACTORS), progressive, optimized, restart };
        check(kind, (width, height), None);
    }
}
