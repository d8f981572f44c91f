//! Damage is refused, never answered.

use super::{SMALL, fixture, markers, try_full};
use crate::ImageError;

fn assert_damaged(bytes: &[u8], name: &str) {
    let found = try_full(bytes);
    assert!(
        matches!(found, Err(ImageError::Corrupt { .. })),
        "{name}: {:?}",
        found.map(|_| "a picture")
    );
}

/// Cut at every byte, with and without an end marker after the cut.
#[test]
fn a2_cut_anywhere_with_and_without_an_end_marker() {
    for name in SMALL {
        let bytes = fixture(name);
        // Up to the end marker itself: with it, the last cut is the whole file.
        for cut in 3..bytes.len() - 2 {
            let whole = format!("{name} cut at {cut} of {}", bytes.len());
            assert_damaged(&bytes[..cut], &whole);
            assert_damaged(
                &[&bytes[..cut], &[0xff, 0xd9]].concat(),
                &format!("{whole}, ended"),
            );
        }
        for cut in bytes.len() - 2..bytes.len() {
            assert_damaged(&bytes[..cut], name);
        }
    }
}

#[test]
fn a3_restart_markers_lost_doubled_or_out_of_place() {
    for name in ["restarts.jpg", "restarts_progressive.jpg"] {
        let bytes = fixture(name);
        let restarts: Vec<usize> = markers(&bytes)
            .into_iter()
            .filter(|(_, marker)| (0xd0..=0xd7).contains(marker))
            .map(|(at, _)| at)
            .collect();
        assert!(restarts.len() > 3, "{name}");
        for at in restarts {
            let name = format!("{name}, restart at {at}");
            assert_damaged(&[&bytes[..at], &bytes[at + 2..]].concat(), &name);
            assert_damaged(&[&bytes[..at + 2], &bytes[at..]].concat(), &name);
            for other in 1..8 {
                let mut changed = bytes.clone();
                changed[at + 1] = 0xd0 | ((bytes[at + 1] + other) % 8);
                assert_damaged(&changed, &name);
            }
            // One byte before it is a part of a code.
            let shorter = [&bytes[..at - 1], &bytes[at..]].concat();
            assert_damaged(&shorter, &name);
            let longer = [&bytes[..at], &[0x5a, 0xa5], &bytes[at..]].concat();
            assert_damaged(&longer, &name);
        }
    }
}

/// With the harmless oddity first that used to hide every other warning.
#[test]
fn a3_a_harmless_oddity_hides_no_damage() {
    for name in ["restarts.jpg", "rgb_420.jpg"] {
        let bytes = fixture(name);
        let scan = markers(&bytes).into_iter().find(|m| m.1 == 0xda).unwrap().0;
        let odd = [
            &bytes[..scan],
            &[1, 2, 3],
            &bytes[scan..bytes.len() - 40],
            &[0xff, 0xd9],
        ]
        .concat();
        assert_damaged(&odd, name);
    }
}

#[test]
fn a2_a_scan_that_is_missing() {
    for name in ["progressive_420.jpg", "gray_progressive.jpg"] {
        let bytes = fixture(name);
        let scans: Vec<usize> = markers(&bytes)
            .into_iter()
            .filter(|(_, marker)| *marker == 0xda)
            .map(|(at, _)| at)
            .collect();
        for (number, from) in scans.iter().enumerate() {
            let to = scans.get(number + 1).copied().unwrap_or(bytes.len() - 2);
            assert_damaged(&[&bytes[..*from], &bytes[to..]].concat(), name);
        }
    }
}

/// The inputs that outside testing found.
#[test]
fn a2_a3_the_inputs_that_were_found() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/jpeg/");
    for name in ["j_cut_eoi.jpg", "j_restart_lost.jpg"] {
        assert_damaged(&std::fs::read(format!("{path}{name}")).unwrap(), name);
    }
}
