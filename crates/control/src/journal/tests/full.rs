//! A file system that is really full.

use stillhouse_test_support::SmallDisk;

use super::*;

/// Room for the reserve twice, and for what the tests write.
const SIZE_BYTES: u64 = 1 << 20;

fn rollback(generation: u64) -> Entry {
    Entry {
        action: "rollback".into(),
        ..change("fashion", generation)
    }
}

#[test]
fn d4_a_full_disk_refuses_orders_by_name_and_still_takes_rollbacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::mount(folder.path(), SIZE_BYTES) else {
        return;
    };
    let (mut journal, _) = open(folder.path());
    journal.record(&change("fashion", 1)).expect("recorded");
    assert_eq!(reserve::kept_bytes(folder.path()), 256 << 10);
    disk.fill();
    let before = log(folder.path());
    // Longer than what is left of the log's last page.
    let long = Entry {
        detail: Some(vec!["x".repeat(1000); 8].into()),
        ..note("upload")
    };
    for entry in [change("fashion", 2), long] {
        let error = journal.record(&entry).expect_err("full").to_string();
        for words in [
            "No space left",
            folder.path().to_str().expect("UTF-8"),
            "0 bytes left",
            "`stillhouse rollback` and `stillhouse canary abort` work all the same",
            "/reserve",
        ] {
            assert!(error.contains(words), "{error} must say {words}");
        }
        assert_eq!(log(folder.path()), before, "nothing is left of it");
        assert!(!folder.path().join("state.json.tmp").exists());
    }
    let mut last = 1;
    // Whatever a rollback leaves of a piece, others may fill up.
    while journal.record(&rollback(last + 1)).is_ok() {
        last += 1;
        disk.fill();
    }
    assert!(last >= 4, "the reserve was enough for {last} only");
    let error = journal.record(&rollback(99)).expect_err("full").to_string();
    assert!(
        error.contains("Free space on the file system of"),
        "{error}"
    );
    assert!(!error.contains("work all the same"), "{error}");
    drop(journal);
    assert_eq!(reopened(folder.path()).0, Some(nth(last)));
    assert_eq!(verify(folder.path()).expect("holds").lines, last);

    disk.free();
    let (mut journal, _) = open(folder.path());
    journal.record(&change("fashion", last + 1)).expect("room");
    assert_eq!(reserve::kept_bytes(folder.path()), 256 << 10, "kept anew");
}

#[test]
fn a_disk_without_ample_room_is_not_filled_by_the_reserve() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(_disk) = SmallDisk::mount(folder.path(), 400 << 10) else {
        return;
    };
    let (mut journal, _) = open(folder.path());
    journal.record(&change("fashion", 1)).expect("recorded");
    assert_eq!(reserve::kept_bytes(folder.path()), 0);
}
