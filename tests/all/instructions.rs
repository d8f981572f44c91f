//! The decisions of `make check-instructions`.

#[path = "../../benches/instructions/kept.rs"]
mod kept;

use std::{collections::BTreeMap, fs, path::Path};

use kept::{Compared, Kept, total};

fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let owned = |(name, count): &(&str, u64)| ((*name).to_owned(), *count);
    counts.iter().map(owned).collect()
}

#[test]
fn only_a_change_above_the_tolerance_is_bad() {
    let kept = Kept::new("rustc".into(), counts(&[("a", 1000)]));
    for (counted, bad, word) in [
        (1000, false, "+0.0%"),
        (1030, false, "+3.0%"),
        (1031, true, "TOO MANY"),
        (970, false, "-3.0%"),
        (900, false, "fewer"),
    ] {
        let compared = kept.compare(&counts(&[("a", counted)]));
        assert_eq!(compared.len(), 1);
        assert_eq!(compared[0].is_bad(), bad, "{counted}");
        let text = compared[0].to_string();
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_piece_on_one_side_alone_is_bad() {
    let kept = Kept::new("rustc".into(), counts(&[("gone", 5), ("same", 7)]));
    let compared = kept.compare(&counts(&[("new", 5), ("same", 7)]));
    let bad: Vec<bool> = compared.iter().map(Compared::is_bad).collect();
    assert_eq!(bad, [true, true, false]);
}

#[test]
fn the_written_counts_are_read_back() {
    let kept = Kept::new("rustc 1.2.3 (a \"b\")".into(), counts(&[("x, 5", 7)]));
    assert_eq!(toml::from_str(&kept.to_text()), Ok(kept));
}

#[test]
fn the_total_is_found() {
    let text = "events: Ir\nfn=x\n1 2\n\ntotals: 12345\n";
    assert_eq!(total(text), Some(12345));
    assert_eq!(
        total("events: Ir\ntotals: 0\n"),
        None,
        "nothing was counted"
    );
    assert_eq!(total("events: Ir Dr\ntotals: 1 2\n"), None);
    assert_eq!(total("events: Ir\n"), None);
}

#[test]
fn the_kept_counts_can_be_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/kept.toml");
    let text = fs::read_to_string(&path).expect("it is kept");
    let kept: Kept = toml::from_str(&text).expect("TOML of this form");
    // Compared with an empty measurement, every piece is missing.
    let compared = kept.compare(&BTreeMap::new());
    assert!(compared.len() >= 6);
    assert!(compared.iter().all(Compared::is_bad));
}
