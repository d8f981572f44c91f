//! WebP containers that claim too much, or hold one frame of an animation.

use super::{fixture, full, try_full};
use crate::{Color, ImageError, Picture, probe};

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_le_bytes();
    let padding = &[0][..content.len() % 2];
    [&kind[..], &length, content, padding].concat()
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WEBP".to_vec(), chunks.concat()].concat();
    [
        b"RIFF".to_vec(),
        (body.len() as u32).to_le_bytes().to_vec(),
        body,
    ]
    .concat()
}

/// The chunks of a file, by their kind.
fn chunks(file: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut rest = &file[12..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        found.push((rest[..4].try_into().unwrap(), rest[8..8 + length].to_vec()));
        rest = &rest[8 + length + length % 2..];
    }
    found
}

fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let mut content = vec![flags, 0, 0, 0];
    content.extend(&(width - 1).to_le_bytes()[..3]);
    content.extend(&(height - 1).to_le_bytes()[..3]);
    chunk(b"VP8X", &content)
}

/// What makes the pixels: ALPH, VP8, VP8L.
fn pixels(name: &str) -> Vec<Vec<u8>> {
    chunks(&fixture(name))
        .into_iter()
        .filter(|(kind, _)| [b"ALPH", b"VP8 ", b"VP8L"].contains(&kind))
        .map(|(kind, content)| chunk(&kind, &content))
        .collect()
}

const ALL: [&str; 4] = [
    "lossy.webp",
    "lossless.webp",
    "lossy_alpha.webp",
    "lossless_alpha.webp",
];
const ALPHA: u8 = 0x10;

#[test]
fn a7_flags_of_what_is_not_there() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/corpus/webp/w_exif_flag_none.webp"
    );
    full(&std::fs::read(path).unwrap(), "w_exif_flag_none.webp");

    for name in ALL {
        let expected = full(&fixture(name), name);
        for flags in [0x04, 0x08, 0x20, 0x2c, 0xc1] {
            let odd = riff(&[vec![vp8x(flags | ALPHA, 37, 23)], pixels(name)].concat());
            assert_eq!(full(&odd, name), expected, "{name} with {flags:#x}");
        }
    }
    // Transparency that the container doesn't mention isn't shown, as libwebp has it.
    let opaque = riff(&[vec![vp8x(0, 37, 23)], pixels("lossy_alpha.webp")].concat());
    let only_picture = riff(&pixels("lossy_alpha.webp")[1..]);
    assert_eq!(full(&opaque, "opaque"), full(&only_picture, "VP8 alone"));
}

#[test]
fn a6_the_first_exif_of_a_webp_counts_whatever_the_flags_say() {
    let exif = |value: u8| {
        chunk(
            b"EXIF",
            &[
                b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0",
                &[value, 0, 0][..],
            ]
            .concat(),
        )
    };
    let with = |flags, exif: &[Vec<u8>]| {
        full(
            &riff(
                &[
                    vec![vp8x(flags, 37, 23)],
                    pixels("lossless.webp"),
                    exif.to_vec(),
                ]
                .concat(),
            ),
            "EXIF",
        )
    };
    let six = with(0x08, &[exif(6)]);
    assert_eq!((six.width(), six.height()), (23, 37));
    assert_eq!(with(0, &[exif(6)]), six);
    assert_eq!(with(0x08, &[exif(6), exif(1)]), six);
}

fn frame((x, y): (u32, u32), (width, height): (u32, u32), inner: &[Vec<u8>]) -> Vec<u8> {
    let mut content = Vec::new();
    for number in [x / 2, y / 2, width - 1, height - 1, 100] {
        content.extend(&number.to_le_bytes()[..3]);
    }
    content.push(0);
    content.extend(inner.concat());
    chunk(b"ANMF", &content)
}

#[test]
fn a7_an_animation_of_one_frame_is_a_picture() {
    let animation = |canvas: (u32, u32), frames: &[Vec<u8>]| {
        let head = [
            vp8x(0x02 | ALPHA, canvas.0, canvas.1),
            chunk(b"ANIM", &[9, 9, 9, 255, 0, 0]),
        ];
        riff(&[&head[..], frames].concat())
    };
    for name in ALL {
        let expected = full(&fixture(name), name);
        let one = frame((0, 0), (37, 23), &pixels(name));
        assert_eq!(
            full(&animation((37, 23), std::slice::from_ref(&one)), name),
            expected
        );
        let two = animation((37, 23), &[one.clone(), one]);
        assert!(matches!(
            probe(&two),
            Err(ImageError::Unsupported {
                found: "an animated WebP"
            })
        ));

        // The rest of the canvas is transparent, whatever colour the file proposes.
        let apart = full(
            &animation((50, 40), &[frame((8, 6), (37, 23), &pixels(name))]),
            name,
        );
        let mut canvas = vec![255; 50 * 40 * 3];
        for (y, row) in expected.bytes().chunks(37 * 3).enumerate() {
            canvas[((y + 6) * 50 + 8) * 3..][..37 * 3].copy_from_slice(row);
        }
        assert_eq!(apart, Picture::of(50, 40, Color::Rgb, canvas), "{name}");
        let outside = animation((40, 40), &[frame((8, 6), (37, 23), &pixels(name))]);
        assert!(matches!(probe(&outside), Err(ImageError::Corrupt { .. })));
    }
}

/// The container's lengths are right; the coded pixels end early.
#[test]
fn a2_coded_data_cut_short_in_a_whole_container() {
    for name in ALL {
        let mut found = chunks(&fixture(name));
        let at = found
            .iter()
            .position(|(kind, _)| [b"VP8 ", b"VP8L"].contains(&kind))
            .unwrap();
        let whole = found[at].1.clone();
        // The last bytes of lossy data are padding.
        for cut in (1..whole.len() - 4).step_by(whole.len().div_ceil(60)) {
            found[at].1 = whole[..cut].to_vec();
            let parts: Vec<_> = found
                .iter()
                .map(|(kind, content)| chunk(kind, content))
                .collect();
            let error = try_full(&riff(&parts)).err();
            assert!(
                matches!(error, Some(ImageError::Corrupt { .. })),
                "{name} cut at {cut}: {error:?}"
            );
        }
    }
}

/// 34 bytes of a single colour, for as many pixels as anybody asks for.
#[test]
fn c2_a_webp_of_few_bytes_and_many_pixels_is_refused_by_its_header() {
    let single_colour = |width: u32, height: u32| {
        let bits = (width - 1) | (height - 1) << 14;
        let codes = [0x88, 0x88, 0x08, 0, 0, 0, 0, 0];
        riff(&[chunk(
            b"VP8L",
            &[&[0x2f][..], &bits.to_le_bytes(), &codes].concat(),
        )])
    };
    assert!(matches!(
        probe(&single_colour(7000, 7000)),
        Err(ImageError::TooDense {
            width: 7000,
            height: 7000,
            ..
        })
    ));
    assert!(probe(&single_colour(2000, 2000)).is_ok());
}

#[test]
fn c3_chunks_are_bounded() {
    let odd = |count| {
        riff(
            &[
                vec![vp8x(0, 37, 23)],
                vec![chunk(b"XXXX", b""); count],
                pixels("lossless.webp"),
            ]
            .concat(),
        )
    };
    full(&odd(500), "500 chunks");
    assert!(matches!(
        probe(&odd(2000)),
        Err(ImageError::TooManySegments { .. })
    ));
}
