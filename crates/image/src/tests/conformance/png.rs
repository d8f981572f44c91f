//! PNGs that Pillow doesn't write: every depth, interlaced or not, with and without a transparent colour; chunks that change
//! no pixel, however broken they are.

use std::io::Write;

use super::{fixture, full};
use crate::{Color, Format, ImageError, probe, tests::target};

const WIDTH: usize = 13;
const HEIGHT: usize = 11;

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(content);
    let length = (content.len() as u32).to_be_bytes();
    [&length, &kind[..], content, &crc.sum().to_be_bytes()].concat()
}

/// Samples row by row become filtered, packed rows of every `step`-th pixel.
fn packed(
    samples: &[u16],
    channels: usize,
    depth: u32,
    (x0, y0, dx, dy): (usize, usize, usize, usize),
) -> Vec<u8> {
    let mut out = Vec::new();
    for y in (y0..HEIGHT).step_by(dy) {
        let columns = (x0..WIDTH).step_by(dx);
        if columns.len() == 0 {
            continue;
        }
        out.push(0);
        let (mut bits, mut count) = (0_u32, 0);
        for sample in columns.flat_map(|x| &samples[(y * WIDTH + x) * channels..][..channels]) {
            bits = bits << depth | u32::from(*sample);
            count += depth;
            while count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
            }
        }
        if count > 0 {
            out.push((bits << (8 - count)) as u8);
        }
    }
    out
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn png(color: u8, depth: u32, interlaced: bool, before: &[Vec<u8>], samples: &[u16]) -> Vec<u8> {
    const PASSES: [(usize, usize, usize, usize); 7] = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    let channels = samples.len() / WIDTH / HEIGHT;
    let rows = match interlaced {
        true => PASSES
            .map(|pass| packed(samples, channels, depth, pass))
            .concat(),
        false => packed(samples, channels, depth, (0, 0, 1, 1)),
    };
    let mut ihdr = Vec::new();
    ihdr.extend((WIDTH as u32).to_be_bytes());
    ihdr.extend((HEIGHT as u32).to_be_bytes());
    ihdr.extend([depth as u8, color, 0, 0, u8::from(interlaced)]);
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &ihdr),
        before.concat(),
        chunk(b"IDAT", &zlib(&rows)),
        chunk(b"IEND", b""),
    ]
    .concat()
}

fn samples(channels: usize, depth: u32) -> Vec<u16> {
    let mut state = 12_345_u32;
    (0..WIDTH * HEIGHT * channels)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as u16 & (((1_u32 << depth) - 1) as u16)
        })
        .collect()
}

/// As every decoder scales it; of 16 bits the upper byte.
fn to_8_bits(sample: u16, depth: u32) -> u8 {
    match depth {
        16 => (sample >> 8) as u8,
        _ => (u32::from(sample) * 255 / ((1 << depth) - 1)) as u8,
    }
}

#[test]
fn every_depth_interlaced_and_transparent() {
    let kinds = [
        (0, 1, &[1, 2, 4, 8, 16][..]),
        (2, 3, &[8, 16]),
        (3, 1, &[1, 2, 4, 8]),
        (4, 2, &[8, 16]),
        (6, 4, &[8, 16]),
    ];
    for (color, channels, depths) in kinds {
        for depth in depths.iter().copied() {
            let samples = samples(channels, depth);
            for (interlaced, transparent) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                // A colour that occurs, or the palette's second half.
                let key: Vec<u16> = samples[channels * 17..][..channels].to_vec();
                let palette: Vec<[u8; 3]> = (0..1_u32 << depth.min(8))
                    .map(|index| [index as u8, (index * 7) as u8, 255 - index as u8])
                    .collect();
                let mut before = Vec::new();
                if color == 3 {
                    before.push(chunk(b"PLTE", palette.as_flattened()));
                }
                if transparent {
                    before.push(match color {
                        0 | 2 => chunk(
                            b"tRNS",
                            &key.iter()
                                .flat_map(|key| key.to_be_bytes())
                                .collect::<Vec<_>>(),
                        ),
                        3 => chunk(b"tRNS", &vec![0; palette.len() / 2]),
                        _ => continue,
                    });
                }
                let over = |value: u8, alpha: u8| crate::picture::over_white(value, alpha);
                let pixels = samples.chunks(channels).flat_map(|pixel| {
                    let eight: Vec<u8> = pixel
                        .iter()
                        .map(|sample| to_8_bits(*sample, depth))
                        .collect();
                    let hidden = transparent && pixel == key;
                    match color {
                        0 => [if hidden { 255 } else { eight[0] }; 3],
                        2 if hidden => [255; 3],
                        2 => [eight[0], eight[1], eight[2]],
                        3 if transparent && usize::from(pixel[0]) < palette.len() / 2 => [255; 3],
                        3 => palette[usize::from(pixel[0])],
                        4 => [over(eight[0], eight[1]); 3],
                        _ => [0, 1, 2].map(|channel| over(eight[channel], eight[3])),
                    }
                });
                let name =
                    format!("colour type {color}, depth {depth}, {interlaced} {transparent}");
                let picture = full(&png(color, depth, interlaced, &before, &samples), &name);
                let found: Vec<u8> = match picture.color() {
                    Color::Gray => picture.bytes().iter().flat_map(|gray| [*gray; 3]).collect(),
                    _ => picture.bytes().to_vec(),
                };
                assert_eq!(found, pixels.collect::<Vec<_>>(), "{name}");
            }
        }
    }
}

/// The same picture, before and after chunks are put in after IHDR or before IEND.
fn assert_harmless(name: &str, chunks: &[u8]) {
    let bytes = fixture("rgb_transparent.png");
    let expected = full(&bytes, "the original");
    for at in [33, bytes.len() - 12] {
        let odd = [&bytes[..at], chunks, &bytes[at..]].concat();
        assert_eq!(full(&odd, name), expected, "{name} at {at}");
    }
}

#[test]
fn a7_broken_chunks_that_change_no_pixel() {
    for kind in [
        b"gAMA", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"sRGB", b"tIME", b"eXIf", b"cHRM",
        b"bKGD", b"vpAg", b"prVt",
    ] {
        let name = format!("{}", kind.escape_ascii());
        let mut wrong_crc = chunk(kind, b"nothing that makes sense");
        assert_harmless(&name, &wrong_crc);
        let last = wrong_crc.len() - 1;
        wrong_crc[last] ^= 0x55;
        assert_harmless(&format!("{name} with a wrong CRC"), &wrong_crc);
    }
    assert_harmless("a large eXIf", &chunk(b"eXIf", &vec![0; 6 << 20]));
    assert_harmless("large text", &chunk(b"tEXt", &vec![b'x'; 6 << 20]));
}

/// An orientation counts where its checksum is right, and the first one does.
#[test]
fn a6_the_first_whole_exif_of_a_png_counts() {
    let bytes = fixture("rgb8.png");
    let exif = |value: u8| {
        chunk(
            b"eXIf",
            &[
                b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0",
                &[value, 0, 0][..],
            ]
            .concat(),
        )
    };
    let mut broken = exif(3);
    *broken.last_mut().unwrap() ^= 1;
    let with = |chunks: &[Vec<u8>], at: usize| {
        full(
            &[&bytes[..at], &chunks.concat(), &bytes[at..]].concat(),
            "EXIF",
        )
    };
    let six = with(&[exif(6)], 33);
    assert_eq!((six.width(), six.height()), (23, 37));
    assert_eq!(with(&[exif(6), exif(1)], 33), six);
    assert_eq!(with(&[broken, exif(6)], 33), six);
    assert_eq!(with(&[exif(6)], bytes.len() - 12), six);
}

#[test]
fn a7_an_animation_of_one_frame_is_a_picture() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fuzz/corpus/png/p_apng1.png"
    );
    full(&std::fs::read(path).unwrap(), "p_apng1.png");

    let bytes = fixture("rgb8.png");
    let expected = full(&bytes, "the original");
    let animated = |frames: u32, with_frame: bool| {
        let count = chunk(b"acTL", &[frames.to_be_bytes(), [0; 4]].concat());
        let frame = match with_frame {
            true => chunk(
                b"fcTL",
                &[
                    &[0; 4][..],
                    &[0, 0, 0, 37, 0, 0, 0, 23],
                    &[0; 8],
                    &[0, 1, 0, 1, 0, 0],
                ]
                .concat(),
            ),
            false => Vec::new(),
        };
        [&bytes[..33], &count, &frame, &bytes[33..]].concat()
    };
    assert_eq!(full(&animated(1, true), "one frame"), expected);
    for several in [animated(2, true), animated(1, false)] {
        assert!(matches!(
            probe(&several),
            Err(ImageError::Unsupported {
                found: "an animated PNG"
            })
        ));
    }
}

#[test]
fn c2_a_png_of_few_bytes_and_many_pixels_is_refused_by_its_header() {
    let bytes = fixture("gray8.png");
    let mut ihdr = bytes[16..29].to_vec();
    ihdr[..8].copy_from_slice(&[0, 0, 0x1b, 0x58, 0, 0, 0x1b, 0x58]);
    let large = [&bytes[..8], &chunk(b"IHDR", &ihdr), &bytes[33..]].concat();
    let found = crate::decode(&large, &Default::default(), &target(Color::Gray, 28, 28));
    assert_eq!(
        found,
        Err(ImageError::corrupt(
            Format::Png,
            "it has too little data for its size"
        ))
    );
}

#[test]
fn c3_chunks_are_bounded() {
    let bytes = fixture("gray8.png");
    let odd = |count| {
        [
            &bytes[..33],
            &chunk(b"tEXt", b"").repeat(count),
            &bytes[33..],
        ]
        .concat()
    };
    full(&odd(500), "500 texts");
    let refused = probe(&odd(2000)).err();
    assert!(
        matches!(refused, Some(ImageError::TooManySegments { .. })),
        "{refused:?}"
    );
    let behind = [
        &bytes[..bytes.len() - 12],
        &chunk(b"tEXt", b"").repeat(2000),
        &bytes[bytes.len() - 12..],
    ]
    .concat();
    let refused = super::try_full(&behind).err();
    assert!(
        matches!(refused, Some(ImageError::TooManySegments { .. })),
        "{refused:?}"
    );
}
