//! The layers of the modules and the other rules about names, checked by reading the source.
//!
//! Which room is on which floor is read from the table at the top of `src/lib.rs`: what is documented is what is tested.
//! Between crates the compiler keeps the direction; here it is compared with the table.

mod cases;
mod rules;
mod source;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rules::Table;

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
    let table = Table::read(&read(&root().join("src/lib.rs")));
    let files: Vec<PathBuf> = ["src", "crates"]
        .iter()
        .flat_map(|folder| files(&root().join(folder)))
        .filter(|path| path.iter().any(|part| part == "src"))
        .collect();
    let (rooms, read_files) = (table.floors.len(), files.len());
    assert!(
        rooms > 20 && read_files > 200,
        "only {rooms} rooms, {read_files} files"
    );
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(root()).expect("below the root");
            rules::violations(&file.to_string_lossy(), &read(path), &table)
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn crates_depend_only_on_floors_below_their_own() {
    let table = Table::read(&read(&root().join("src/lib.rs")));
    let entries = fs::read_dir(root().join("crates")).expect("the crates");
    let folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|folder| folder.join("Cargo.toml").exists())
        .collect();
    assert_eq!(folders.len(), table.crates.len(), "rows and folders");
    let found: Vec<String> = folders
        .iter()
        .flat_map(|folder| {
            let name = folder.file_name().expect("a name").to_string_lossy();
            rules::wrong_dependencies(&name, &read(&folder.join("Cargo.toml")), &table)
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_other_crates_keep_the_rules_that_hold_everywhere() {
    let found: Vec<String> = ["distill/src", "fuzz/src", "loadtest/src", "tools"]
        .iter()
        .flat_map(|folder| files(&root().join(folder)))
        .flat_map(|path| {
            let file = path.strip_prefix(root()).expect("below the root");
            rules::violations_in_crate(&file.to_string_lossy(), &read(&path))
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
