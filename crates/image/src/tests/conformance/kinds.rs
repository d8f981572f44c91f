//! Every kind of JPEG, on both back ends where both are built: the same pixels.

use super::{SMALL, fixture};
use crate::{Color, tests::target};

#[cfg(feature = "turbojpeg")]
mod both {
    use jpeg_encoder::SamplingFactor;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ImageError, Picture,
        jpeg::{both_back_ends, own_and_libjpeg},
        tests::{
            conformance::assert_same,
            jpeg_kinds::{FACTORS, Kind, encode},
        },
    };

    fn check(bytes: &[u8], name: &str) {
        for gray in [false, true] {
            let [pure, turbo] = both_back_ends(bytes, gray);
            match (pure, turbo) {
                (Ok(pure), Ok(turbo)) => assert_same(&pure, &turbo, 3, name),
                (pure, turbo) => {
                    let kind = |found: Result<Picture, ImageError>| {
                        found
                            .map(|_| "a picture")
                            .map_err(|e| std::mem::discriminant(&e))
                    };
                    assert_eq!(kind(pure), kind(turbo), "{name}");
                }
            }
        }
    }

    /// Hard edges and noise: the worst for interpolation.
    fn noise(width: u32, height: u32, seed: u32) -> Vec<u8> {
        let mut state = seed | 1;
        (0..width * height * 3)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                (state >> 11) as u8
            })
            .collect()
    }

    fn kinds() -> impl Iterator<Item = Kind> {
        let ways = [
            (false, false, 0),
            (false, false, 2),
            (false, true, 0),
            (true, false, 0),
            (true, false, 3),
            (true, true, 0),
        ];
        FACTORS.into_iter().flat_map(move |factor: SamplingFactor| {
            ways.map(|(progressive, optimized, restart)| Kind {
                factor,
                progressive,
                optimized,
                restart,
            })
        })
    }

    #[test]
    fn a8_tiny_pictures_of_every_sampling() {
        for kind in kinds() {
            for width in 1..=9 {
                for height in [1, 2, 3, 4, 5, 8, 17] {
                    let jpeg = encode(
                        kind,
                        &noise(width, height, 7 * width + height),
                        width,
                        height,
                    );
                    check(&jpeg, &format!("{width} x {height} {kind:?}"));
                }
            }
        }
    }

    #[test]
    fn every_kind_of_noise() {
        for kind in kinds() {
            for (width, height) in [(16, 16), (33, 17), (50, 70), (131, 64)] {
                let jpeg = encode(kind, &noise(width, height, width), width, height);
                check(&jpeg, &format!("{width} x {height} {kind:?}"));
            }
        }
        for name in SMALL {
            check(&fixture(name), name);
        }
    }

    /// Where no library decodes, nothing differs.
    #[test]
    fn our_own_decoder_is_libjpeg_to_the_bit() {
        for kind in kinds() {
            for (width, height) in [(3, 9), (16, 16), (75, 50)] {
                let jpeg = encode(kind, &noise(width, height, width), width, height);
                for gray in [false, true] {
                    let [own, turbo] = own_and_libjpeg(&jpeg, gray);
                    assert_eq!(own.bytes(), turbo.bytes(), "{width} x {height} {kind:?}");
                }
            }
        }
        for name in SMALL {
            let [own, turbo] = own_and_libjpeg(&fixture(name), false);
            assert_eq!(own.bytes(), turbo.bytes(), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// A byte of a small JPEG changed: a picture that both agree on, or refused by both.
        #[test]
        fn what_one_refuses_the_other_refuses(
            file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bits in 1..=255_u8,
        ) {
            let name = file.get(&SMALL);
            let mut bytes = fixture(name);
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
            check(&bytes, &format!("{name} with {bits:#x} at {at}"));
        }
    }
}

/// Against libjpeg's pixels, kept by Pillow: within 3 in every build.
#[test]
fn every_small_kind_is_within_3_of_libjpeg() {
    for name in SMALL {
        let stem = name.trim_end_matches(".jpg");
        for (color, extension) in [(Color::Rgb, "ppm"), (Color::Gray, "pgm")] {
            let (width, height, expected) = crate::tests::expected(&format!("{stem}.{extension}"));
            let network = target(color, width, height);
            let picture = crate::decode(&fixture(name), &Default::default(), &network).unwrap();
            let (_, most) = crate::tests::difference(network.apply(picture).bytes(), &expected);
            assert!(most <= 3, "{name} as {color:?}: {most}");
        }
    }
}
