//! The house's floors and its other rules about names, kept by reading the source.
//!
//! Which room is on which floor is read from the table at the top of `src/lib.rs`: what is documented is what is tested.

mod cases;
mod rules;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below `folder`; none where there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    found.sort();
    found
}

#[test]
fn every_room_names_only_floors_below_its_own() {
    let src = root().join("src");
    let floors = rules::floors(&read(&src.join("lib.rs")));
    let files = files(&src);
    let (rooms, read_files) = (floors.len(), files.len());
    assert!(
        rooms > 10 && read_files > 20,
        "only {rooms} rooms, {read_files} files"
    );
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(&src).expect("below src");
            rules::violations(&file.to_string_lossy(), &read(path), &floors)
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn names_in_the_other_crates_say_something_too() {
    let found: Vec<String> = [
        "engine",
        "distill",
        "loadtest",
        "crates/child-server",
        "tools/limit",
        "fuzz",
    ]
    .iter()
    .flat_map(|member| files(&root().join(member).join("src")))
    .flat_map(|path| match Source::read(&read(&path), &[]) {
        Ok(source) => rules::empty_words(&path.display().to_string(), &source),
        Err(error) => vec![format!("{}: {error}", path.display())],
    })
    .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
