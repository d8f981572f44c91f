//! What changes no pixel must change no pixel.

use super::{SMALL, assert_same, fixture, full, markers, segment, try_full, with_first};
use crate::{Color, ImageError, decode, limits::MAX_SEGMENTS, tests::target};

/// Every variant of every small JPEG gives the picture of the original.
fn check(variant: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut changed = 0;
    for name in SMALL {
        let bytes = fixture(name);
        if let Some(odd) = change(&bytes) {
            changed += 1;
            let name = format!("{name} with {variant}");
            assert_same(&full(&odd, &name), &full(&bytes, &name), 0, &name);
        }
    }
    assert!(changed > 0, "{variant}");
}

/// The input that was served as another picture, and its siblings: any bytes, between any two segments.
#[test]
fn a1_stray_bytes_between_segments() {
    let fuzz = |name: &str| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/jpeg/");
        std::fs::read(format!("{path}{name}")).unwrap()
    };
    let (odd, plain) = (fuzz("j_extra_gray28.jpg"), fuzz("j_gray28.jpg"));
    assert_same(
        &full(&odd, "odd"),
        &full(&plain, "plain"),
        0,
        "j_extra_gray28.jpg",
    );

    let junk: [&[u8]; 5] = [&[0], &[1, 2, 3], &[0xff], &[0xff, 0, 7], &[0x5a; 300]];
    for name in SMALL {
        let bytes = fixture(name);
        let expected = full(&bytes, name);
        for (at, marker) in markers(&bytes) {
            // Up to the first segment it is no JPEG; before a restart it is damage.
            if at <= 2 || (0xd0..=0xd7).contains(&marker) {
                continue;
            }
            for junk in junk {
                let odd = [&bytes[..at], junk, &bytes[at..]].concat();
                let name = format!("{name} with {junk:x?} before {marker:x} at {at}");
                assert_same(&full(&odd, &name), &expected, 0, &name);
            }
        }
    }
}

#[test]
fn a4_scan_headers_as_samsung_writes_them() {
    for odd in [[0, 0, 0], [0, 63, 0x11], [1, 62, 0], [0xff; 3]] {
        check("an odd scan header", |bytes| {
            markers(bytes)
                .iter()
                .all(|(_, marker)| *marker != 0xc2)
                .then_some(())?;
            let end = segment(bytes, 0xda).end;
            let mut bytes = bytes.to_vec();
            bytes[end - 3..end].copy_from_slice(&odd);
            Some(bytes)
        });
    }
}

#[test]
fn a4_versions_and_lengths_that_nobody_should_mind() {
    for jfif in [
        &b"JFIF\0\x02\x01\0\0\x01\0\x01\0\0"[..],
        b"JFIF\0\x09\x09\x07\0\0\0\0\xff\xff",
        b"JFXX\0\x10",
    ] {
        check("an odd JFIF", |bytes| {
            // JFIF decides about colours.
            let models = [&b"Adobe"[..]];
            let plain = !models
                .iter()
                .any(|name| bytes.windows(5).any(|w| w == *name));
            plain.then(|| with_first(bytes, 0xe0, jfif))
        });
    }
    for (marker, content) in [
        (0xe2, &b"ICC_PROFILE\0\x02\x01xyz"[..]),
        (0xe2, b"ICC_PROFILE\0\0\0"),
        (0xe2, b"ICC_PROFILE\0\x07\xff"),
        (0xe1, b"Exif\0\0"),
        (0xe1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        (0xe1, b""),
        (0xee, b"Adobe"),
        (0xed, b"Photoshop 3.0\08BIM\x04\x04\0\0\xff\xff\xff\xff"),
        (0xfe, b"\xff\xd8\xff\xd9\xff\xda"),
        (0xf0, b"an unknown segment"),
    ] {
        check("an odd segment", |bytes| {
            Some(with_first(bytes, marker, content))
        });
    }
}

#[test]
fn a4_adobe_transform_3() {
    check("Adobe transform 3", |bytes| {
        let adobe = markers(bytes).iter().any(|(_, marker)| *marker == 0xee);
        let frame = markers(bytes)
            .into_iter()
            .find(|m| matches!(m.1, 0xc0..=0xc2));
        let channels = bytes[frame?.0 + 9];
        let content = b"Adobe\0\x64\0\0\0\0\x03";
        match (adobe, channels) {
            (false, _) => Some(with_first(bytes, 0xee, content)),
            // YCCK is what 2 says and what is assumed of 3.
            (true, 4) => {
                let range = segment(bytes, 0xee);
                (bytes[range.start + 11] == 2).then(|| {
                    let mut bytes = bytes.to_vec();
                    bytes[range.start + 11] = 3;
                    bytes
                })
            }
            (true, _) => None,
        }
    });
}

/// Pillow writes the standard's tables, for sequential coding, unless it is asked to optimise them.
#[test]
fn a5_without_huffman_tables() {
    check("no Huffman tables", |bytes| {
        let all = markers(bytes);
        all.iter()
            .all(|(_, marker)| *marker != 0xc2)
            .then_some(())?;
        let mut out = bytes.to_vec();
        for (at, _) in all.iter().rev().filter(|(_, marker)| *marker == 0xc4) {
            let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            out.drain(*at..at + 2 + length);
        }
        assert!(out.len() + 200 < bytes.len());
        Some(out)
    });
}

#[test]
fn a6_the_first_of_two_exif_blocks_counts() {
    for (first, second) in [(6, 1), (1, 6), (8, 3)] {
        let block = |value: u8| {
            [
                b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0",
                &[value, 0, 0][..],
            ]
            .concat()
        };
        let bytes = fixture("rgb_444.jpg");
        let one = with_first(&bytes, 0xe1, &block(first));
        let two = with_first(
            &with_first(&bytes, 0xe1, &block(second)),
            0xe1,
            &block(first),
        );
        assert_same(&full(&two, "two"), &full(&one, "one"), 0, "two EXIF blocks");
    }
}

/// Tables that are stated again, or never used, or between scans.
#[test]
fn tables_that_nobody_uses_change_nothing() {
    check("tables twice", |bytes| {
        let mut out = bytes.to_vec();
        for marker in [0xc4, 0xdb] {
            let range = segment(bytes, marker);
            out = with_first(&out, marker, &bytes[range]);
        }
        Some(out)
    });
    check("a table that makes no sense", |bytes| {
        Some(with_first(
            bytes,
            0xc4,
            &[&[0x13][..], &[200], &[0; 15], &[7; 200]].concat(),
        ))
    });
}

#[test]
fn c3_segments_and_tables_are_bounded() {
    let bytes = fixture("gray_baseline.jpg");
    let refused = |bytes: &[u8]| {
        let error = try_full(bytes).err();
        let expected = matches!(error, Some(ImageError::TooManySegments { .. }));
        assert!(expected, "{error:?}");
    };
    let comments =
        |count: usize| [&bytes[..2], &[0xff, 0xfe, 0, 2].repeat(count), &bytes[2..]].concat();
    full(
        &comments(MAX_SEGMENTS / 2),
        "half of the comments that are allowed",
    );
    refused(&comments(MAX_SEGMENTS));
    // Many tables in few segments.
    let tables = [&[0][..], &[0; 16]].concat().repeat(3000);
    refused(&with_first(&bytes, 0xc4, &tables));
    let mut many = bytes.clone();
    for _ in 0..250 {
        many = with_first(&many, 0xc4, &tables);
    }
    let header = crate::probe(&many);
    assert!(header.is_ok() || matches!(header, Err(ImageError::TooManySegments { .. })));
    refused(&many);
    assert!(decode(&bytes, &Default::default(), &target(Color::Gray, 8, 8)).is_ok());
}
