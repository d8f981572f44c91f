//! Every archive here is made byte for byte; whatever is done with it, only a good one leaves anything behind.

use std::{
    ffi::OsString,
    io::{Cursor, Read},
    path::PathBuf,
};

use flate2::{Compression, write::GzEncoder};
use tar::{EntryType, Header};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::tests::Stage;

const LIMIT_BYTES: u64 = 1 << 20;

type Files = Vec<(String, Vec<u8>)>;

/// The files of `pets/v1` by their paths below `prefix`, the manifest last.
fn files(stage: &Stage, prefix: &str) -> Files {
    let names = [
        "model.onnx",
        "golden/one.png",
        "golden/one.json",
        "golden/two.png",
        "golden/two.json",
        MANIFEST,
    ];
    let file = |name| {
        (
            format!("{prefix}{name}"),
            fs::read(stage.path(name)).unwrap(),
        )
    };
    names.map(file).to_vec()
}

/// A tar entry with whatever name and kind: the library's own builder refuses the ones of interest.
fn entry(tar: &mut Vec<u8>, kind: EntryType, name: &[u8], link: &[u8], bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn end(mut tar: Vec<u8>) -> Vec<u8> {
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn tar(files: &Files) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, bytes) in files {
        entry(&mut tar, EntryType::Regular, name.as_bytes(), b"", bytes);
    }
    end(tar)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(vec![], Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zip(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Everything in the model's folder but the version `v1`, its temporary folders included.
fn beside(stage: &Stage) -> Vec<OsString> {
    let entries = fs::read_dir(stage.path("..")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    let mut names: Vec<OsString> = names
        .filter(|name| name != "v1" && name != "labels.txt")
        .collect();
    names.sort();
    names
}

/// Uploads `archive` as `pets/v2`, in pieces.
fn upload(stage: &Stage, archive: &[u8]) -> Result<VersionFiles, StoreError> {
    let version = "v2".parse().unwrap();
    let mut incoming = stage
        .repository
        .receive(&stage.model, &version, LIMIT_BYTES)?;
    for piece in archive.chunks(1000) {
        incoming.write(piece)?;
    }
    incoming.finish()
}

/// Why `archive` is refused; nothing may be left of it.
fn refusal(stage: &Stage, archive: &[u8]) -> String {
    let error = upload(stage, archive).expect_err("a wrong archive was taken in");
    assert_eq!(beside(stage), [""; 0], "{error}");
    let text = error.to_string();
    text.replace(&format!("{}/", stage.repository.root().display()), "")
}

#[test]
fn a_version_arrives_in_every_kind_of_archive() {
    for prefix in ["", "./", "v2/", "./some-folder/"] {
        let kinds: [fn(&Files) -> Vec<u8>; 3] = [tar, |files| gzip(&tar(files)), zip];
        for (index, pack) in kinds.iter().enumerate() {
            let stage = Stage::new();
            let arrived = upload(&stage, &pack(&files(&stage, prefix)));
            let arrived = arrived.unwrap_or_else(|error| panic!("{prefix} {index}: {error}"));
            let version = "v2".parse().unwrap();
            let read = stage.repository.read(&stage.model, &version).unwrap();
            assert_eq!(
                (&arrived.path, &arrived.manifest),
                (&read.path, &read.manifest)
            );
            assert_eq!(arrived.model_bytes, read.model_bytes);
            assert_eq!(arrived.golden, stage.read().unwrap().golden);
            assert_eq!(arrived.path, stage.path("../v2").canonicalize().unwrap());
            assert_eq!(beside(&stage), ["v2"]);
            // It is there now, and a version never changes.
            let again = stage
                .repository
                .receive(&stage.model, &version, LIMIT_BYTES);
            assert!(matches!(again, Err(StoreError::Exists { .. })), "{again:?}");
        }
    }
}

#[test]
fn folders_and_long_names_of_other_packers_are_understood() {
    let stage = Stage::new();
    let mut archive = Vec::new();
    entry(
        &mut archive,
        EntryType::XGlobalHeader,
        b"pax_global_header",
        b"",
        b"19 comment=a commit\n",
    );
    for folder in [&b"./"[..], b"v2/", b"v2/golden/", b"v2/golden"] {
        entry(&mut archive, EntryType::Directory, folder, b"", b"");
    }
    for (name, bytes) in files(&stage, "v2/") {
        let long = format!("{name}\0");
        let extended = format!("{} path={name}\n", name.len() + 9);
        match name.as_str() {
            "v2/model.onnx" => entry(
                &mut archive,
                EntryType::GNULongName,
                b"././@LongLink",
                b"",
                long.as_bytes(),
            ),
            _ => entry(
                &mut archive,
                EntryType::XHeader,
                b"PaxHeaders/x",
                b"",
                extended.as_bytes(),
            ),
        }
        entry(&mut archive, EntryType::Regular, b"cut-off", b"", &bytes);
    }
    upload(&stage, &end(archive)).unwrap();
    assert_eq!(beside(&stage), ["v2"]);
}

#[test]
fn what_the_tar_command_packs_is_understood() {
    // Longer than the 100 bytes that the first tar had for a name.
    let long = "a-version-with-a-long-name.".repeat(4);
    for (format, folder) in [("ustar", "next"), ("gnu", &long), ("pax", &long)] {
        let stage = Stage::new();
        let below = stage.path("..").join(folder);
        fs::create_dir_all(below.join("golden")).unwrap();
        for (name, bytes) in files(&stage, "") {
            fs::write(below.join(name), bytes).unwrap();
        }
        let packed = std::process::Command::new("tar")
            .args(["-c", "-z", "-f", "-", "--format", format, "-C"])
            .arg(stage.path(".."))
            .arg(folder)
            .output()
            .unwrap();
        fs::remove_dir_all(&below).unwrap();
        assert!(packed.status.success(), "{packed:?}");
        upload(&stage, &packed.stdout).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(beside(&stage), ["v2"]);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn mangled_archives_never_panic_and_leave_nothing(
        kind in 0..3_usize,
        flips in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), 1..=255_u8), 1..4),
    ) {
        let stage = Stage::new();
        let files = files(&stage, "v2/");
        let mut archive = [tar(&files), gzip(&tar(&files)), zip(&files)][kind].clone();
        for (at, flip) in flips {
            let at = at.index(archive.len());
            archive[at] ^= flip;
        }
        // What is taken in in spite of it is the version, whole; a flip may hit a time or padding.
        match upload(&stage, &archive) {
            Ok(arrived) => proptest::prop_assert_eq!(arrived.model_bytes, stage.read().unwrap().model_bytes),
            Err(_) => proptest::prop_assert_eq!(beside(&stage), [""; 0]),
        }
    }
}

#[test]
fn nothing_leaves_its_folder() {
    let stage = Stage::new();
    let outside = stage.repository.root().join("outside");
    let long = format!("{}/x", "a".repeat(90));
    for name in [
        "../outside",
        "v2/../../outside",
        "/tmp/outside",
        "..",
        "/",
        "v2//x",
        "v2/./x",
        ".hidden",
        "v2/.hidden",
        "a\\b",
        "a b",
        "ä",
        "a/b/c/d/e/f",
        "a\u{202e}b",
        &long.replace('a', "."),
    ] {
        let mut wrong = files(&stage, "");
        wrong.insert(0, (name.to_owned(), b"text".to_vec()));
        for archive in [tar(&wrong), gzip(&tar(&wrong)), zip(&wrong)] {
            let message = refusal(&stage, &archive);
            assert!(
                message.contains("is no name for a version's file"),
                "{name}: {message}"
            );
        }
    }
    assert!(!outside.exists());
}

#[test]
fn only_ordinary_files_come_in() {
    let stage = Stage::new();
    for (kind, expected) in [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a hard link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a FIFO"),
        (EntryType::GNUSparse, "a sparse file"),
        (EntryType::GNULongLink, "a symbolic link"),
        (EntryType::Continuous, "a thing of another kind"),
    ] {
        let mut archive = Vec::new();
        entry(&mut archive, kind, b"golden", b"/etc", b"");
        archive.extend(tar(&files(&stage, "")));
        let message = refusal(&stage, &archive);
        assert!(
            message.contains(&format!("`golden` is {expected}")),
            "{message}"
        );
    }
    for key in ["size", "GNU.sparse.major", "linkpath"] {
        let mut archive = Vec::new();
        let record = format!("{} {key}=1\n", key.len() + 6);
        let record = record.replace(
            &format!("{} ", key.len() + 6),
            &format!("{} ", record.len()),
        );
        entry(
            &mut archive,
            EntryType::XHeader,
            b"x",
            b"",
            record.as_bytes(),
        );
        archive.extend(tar(&files(&stage, "")));
        let message = refusal(&stage, &archive);
        assert!(
            message.contains(&format!("an extended header sets `{key}`")),
            "{message}"
        );
    }
    let mut linked = ZipWriter::new(Cursor::new(vec![]));
    linked
        .add_symlink("golden", "/etc", SimpleFileOptions::default())
        .unwrap();
    let message = refusal(&stage, &linked.finish().unwrap().into_inner());
    assert!(
        message.contains("`golden` has the Unix mode 120000"),
        "{message}"
    );
}

#[test]
fn one_name_is_one_file() {
    let stage = Stage::new();
    for (other, expected) in [
        ("model.onnx", "it holds `model.onnx` twice"),
        (
            "Model.onnx",
            "`model.onnx` and `Model.onnx` differ in nothing but their case",
        ),
        (
            "Golden/x.png",
            "`golden` and `Golden` differ in nothing but their case",
        ),
        ("golden", "it holds `golden` twice"),
        ("model.onnx/x", "it holds `model.onnx` twice"),
    ] {
        let mut wrong = files(&stage, "");
        wrong.push((other.to_owned(), b"other".to_vec()));
        assert_eq!(
            refusal(&stage, &tar(&wrong)),
            format!("the archive is refused: {expected}")
        );
        if other != "model.onnx" {
            assert_eq!(
                refusal(&stage, &zip(&wrong)),
                format!("the archive is refused: {expected}")
            );
        }
    }
}

#[test]
fn bombs_end_at_the_limit() {
    let stage = Stage::new();
    let too_large =
        "the archive, or what is in it, has more than 1048576 bytes (loading.max_upload_bytes)";
    let mut wide = files(&stage, "");
    wide.push(("big.bin".into(), vec![0; LIMIT_BYTES as usize]));
    // In a folder's entry, whose bytes are not read.
    let mut skipped = Vec::new();
    entry(
        &mut skipped,
        EntryType::Directory,
        b"v2/",
        b"",
        &vec![0; 4 * LIMIT_BYTES as usize],
    );
    skipped.extend(tar(&files(&stage, "v2/")));
    // And behind the archive's end.
    let mut behind = tar(&files(&stage, ""));
    behind.resize(4 * LIMIT_BYTES as usize, 0);
    for archive in [
        gzip(&tar(&wide)),
        zip(&wide),
        gzip(&skipped),
        gzip(&behind),
        tar(&wide),
    ] {
        assert_eq!(refusal(&stage, &archive), too_large);
    }
    let many = (0..513).map(|index| (format!("f{index}"), vec![]));
    let many: Files = many.collect();
    for archive in [tar(&many), zip(&many)] {
        let message = refusal(&stage, &archive);
        assert!(
            message.contains("it has more than 512 entries"),
            "{message}"
        );
    }
    let mut long = Vec::new();
    entry(
        &mut long,
        EntryType::GNULongName,
        b"x",
        b"",
        &vec![b'a'; 100_000],
    );
    let message = refusal(&stage, &end(long));
    assert!(message.contains("larger than 64 KiB"), "{message}");
}

#[test]
fn a_cut_archive_is_refused_wherever_it_is_cut() {
    let stage = Stage::new();
    let files = files(&stage, "v2/");
    let whole = [tar(&files), gzip(&tar(&files)), zip(&files)];
    for (index, archive) in whole.iter().enumerate() {
        // A tar may lack its two empty blocks at the end, as some packers write none.
        let needed = if index == 0 {
            archive.len() - 1024
        } else {
            archive.len()
        };
        for length in (0..needed).step_by(97) {
            refusal(&stage, &archive[..length]);
        }
    }
}

#[test]
fn damage_inside_is_found() {
    let stage = Stage::new();
    let change = |name: &str, bytes: &[u8]| {
        let mut files = files(&stage, "");
        let file = files.iter_mut().find(|(path, _)| path == name);
        file.unwrap().1 = bytes.to_vec();
        files
    };
    for (files, expected) in [
        (
            change("model.onnx", b"the network's bytez"),
            "pets/v2/model.onnx has sha256 ",
        ),
        (
            change("model.onnx", b"short"),
            "pets/v2/model.onnx has 5 bytes, its manifest says 19",
        ),
        (
            change("golden/one.json", b"[1]"),
            "pets/v2/golden/one.json: 1 outputs for 3 classes",
        ),
        (change(MANIFEST, b"schema = 1"), "pets/v2/manifest.toml"),
        (
            files(&stage, "").split_off(6),
            "it is neither tar, tar.gz nor zip",
        ),
        (files(&stage, "a/b/"), "there is no manifest.toml in it"),
        (
            files(&stage, "").split_off(1),
            "pets/v2/model.onnx is missing",
        ),
    ] {
        let message = refusal(&stage, &tar(&files));
        assert!(
            message.contains(expected),
            "{message} should say {expected}"
        );
    }
    let mut stranger = files(&stage, "v2/");
    stranger.push(("v2/notes.md".into(), b"text".to_vec()));
    let message = refusal(&stage, &zip(&stranger));
    assert!(
        message.contains("it holds `notes.md`, which its manifest.toml doesn't name"),
        "{message}"
    );
    stranger.last_mut().unwrap().0 = "notes.md".into();
    let message = refusal(&stage, &tar(&stranger));
    assert!(
        message.contains("there is no manifest.toml in it, neither"),
        "{message}"
    );
    for text in [
        &b""[..],
        b"no archive",
        b"\x1f\x8bno gzip",
        b"PK\x03\x04no zip",
        &gzip(b"text"),
    ] {
        let message = refusal(&stage, text);
        assert!(message.starts_with("the archive is refused: "), "{message}");
    }
}

#[test]
fn what_is_too_large_is_refused_while_it_comes() {
    let stage = Stage::new();
    let version = "v2".parse().unwrap();
    let mut incoming = stage
        .repository
        .receive(&stage.model, &version, 10)
        .unwrap();
    incoming.write(&[0; 10]).unwrap();
    let error = incoming.write(&[0]).unwrap_err();
    assert!(
        matches!(error, StoreError::ArchiveTooLarge { limit_bytes: 10 }),
        "{error}"
    );
    assert_eq!(beside(&stage).len(), 1);
    drop(incoming);
    assert_eq!(beside(&stage), [""; 0]);
    let nowhere = "cars".parse().unwrap();
    let error = stage
        .repository
        .receive(&nowhere, &version, 10)
        .unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
}

#[test]
fn of_two_uploads_of_one_version_the_second_is_refused() {
    let stage = Stage::new();
    let version = "v2".parse().unwrap();
    let archive = tar(&files(&stage, ""));
    let receive = || {
        let mut incoming = stage
            .repository
            .receive(&stage.model, &version, LIMIT_BYTES)?;
        incoming.write(&archive)?;
        Ok::<_, StoreError>(incoming)
    };
    let (first, second) = (receive().unwrap(), receive().unwrap());
    second.finish().unwrap();
    let error = first.finish().unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    assert_eq!(beside(&stage), ["v2"]);
}

#[test]
fn leftovers_are_swept_once_they_are_old() {
    let stage = Stage::new();
    let version = "v2".parse().unwrap();
    let mut incoming = stage
        .repository
        .receive(&stage.model, &version, 10)
        .unwrap();
    incoming.write(b"half").unwrap();
    let folder = incoming.beside.path().to_owned();
    let leftover = || -> PathBuf {
        let folder = stage.path("../.incoming-crashed");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("archive"), "half").unwrap();
        folder
    };
    let old = |path: &Path| {
        let long_ago = SystemTime::now() - Duration::from_secs(3700);
        let file = File::open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    };
    let crashed = leftover();
    let labels = stage.path("../.incoming-labels");
    fs::write(&labels, "").unwrap();
    old(&labels);
    // Still written to, though the folder is old.
    old(&folder);
    old(&crashed);
    assert_eq!(stage.repository.sweep().unwrap(), 1);
    assert!(crashed.exists() && folder.exists() && !labels.exists());
    old(&crashed.join("archive"));
    assert_eq!(stage.repository.sweep().unwrap(), 1);
    assert!(!crashed.exists() && folder.exists());
    assert!(stage.read().is_ok());
    let mut kept = String::new();
    let mut archive = File::open(folder.join("archive")).unwrap();
    archive.read_to_string(&mut kept).unwrap();
    assert_eq!(kept, "half");
}
