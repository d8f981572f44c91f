//! The house's floors and its other rules about names, kept by reading the source.
//!
//! Which room is on which floor is read from the table at the top of `src/lib.rs`: what is documented is what is tested.

#[path = "floors/source.rs"]
mod source;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use source::{Named, Source};

/// Who alone may name a crate or use a keyword.
const ONLY: &[(&[&str], &[&str])] = &[
    (&["axum", "tower", "tower_http", "hyper", "hyper_util", "http_body_util", "multer"], &["http"]),
    (&["arc_swap"], &["rollout"]),
    (&["tokio", "async", "await", "futures_util"], &["http", "control", "app", "cli"]),
    (&["anyhow"], &["app", "cli"]),
];

/// Exceptions of [`ONLY`]: a room and what it may name all the same. A reply's sender is synchronous.
const EXCEPT: &[(&str, &str)] = &[("batch", "tokio::sync::oneshot")];

/// Pure files: time and chance are their arguments (their tests may ask the clock).
const PURE: &[&str] = &[
    "src/batch/policy.rs",
    "src/rollout/split.rs",
    "src/control/judge.rs",
    "src/drift/divergence.rs",
    "src/drift/sequential.rs",
];

/// What a pure file may not name.
const IMPURE: &[&str] = &["Instant::now", "SystemTime", "Timestamp::now", "Zoned::now", "rand", "fastrand", "Uuid"];

/// Last words of names that say nothing.
const EMPTY_WORDS: &[&str] = &["Manager", "Helper", "Util", "Common", "State", "Info", "Data"];

/// Rooms by floor, from the table rows `//! | 3 | [`batch`], [`drift`] | ... |` of the crate's documentation.
fn floors(crate_doc: &str) -> BTreeMap<String, u32> {
    let rows = crate_doc.lines().filter_map(|line| line.strip_prefix("//! |"));
    rows.filter_map(|row| {
        let (floor, rest) = row.split_once('|')?;
        let rooms = rest.split('|').next()?;
        Some((floor.trim().parse().ok()?, rooms))
    })
    .flat_map(|(floor, rooms)| {
        let quoted = rooms.split('`').skip(1).step_by(2);
        quoted.map(move |room| (room.to_owned(), floor))
    })
    .collect()
}

/// The module of a file below `src/`: `http/listener.rs` is `http::listener`, `lib.rs` the root.
fn module(file: &Path) -> Vec<String> {
    let mut parts: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    parts.pop_if(|last| *last == "mod" || *last == "lib");
    parts
}

/// What `text`, the file `src/<file>`, does against the rules.
fn violations(file: &str, text: &str, floors: &BTreeMap<String, u32>) -> Vec<String> {
    let module = module(Path::new(file));
    let source = match Source::read(text, &module) {
        Ok(source) => source,
        Err(error) => return vec![format!("src/{file}: {error}")],
    };
    let Some(room) = module.first() else {
        return empty_words(&format!("src/{file}"), &source);
    };
    let mut found = empty_words(&format!("src/{file}"), &source);
    let Some(own) = floors.get(room) else {
        found.push(format!("src/{file}: the table in src/lib.rs has no room `{room}`"));
        return found;
    };
    for named in &source.named {
        let path = named.parts.join("::");
        let place = format!("src/{file}:{}: `{path}`", named.line);
        if let Some(other) = named.in_crate().map(|parts| &parts[0]) {
            match floors.get(other) {
                _ if other == room => {}
                None => found.push(format!("{place}: the table in src/lib.rs has no room `{other}`")),
                // The program is a crate of its own, above the whole library.
                Some(_) if room == "main" => {}
                Some(floor) if floor < own => {}
                Some(floor) => found.push(format!("{place}: `{room}` is on floor {own}, `{other}` on {floor}")),
            }
        }
        for (names, rooms) in ONLY {
            let except = EXCEPT.iter().any(|(who, what)| who == room && path.starts_with(what));
            if names.contains(&named.parts[0].as_str()) && !rooms.contains(&room.as_str()) && !except {
                found.push(format!("{place}: only {} may", rooms.join(", ")));
            }
        }
        if PURE.contains(&format!("src/{file}").as_str()) && !named.test && is_impure(named) {
            found.push(format!("{place}: this file is pure; make it an argument"));
        }
    }
    found
}

fn is_impure(named: &Named) -> bool {
    let path = format!("::{}::", named.parts.join("::"));
    IMPURE.iter().any(|impure| path.contains(&format!("::{impure}::")))
}

fn empty_words(file: &str, source: &Source) -> Vec<String> {
    let says_nothing = |name: &str| {
        // `AppState` ends in the word `State`, `Metadata` and `Estate` don't; modules are lower case: `app_state`.
        let last = name.rsplit('_').next().unwrap_or_default();
        EMPTY_WORDS.iter().any(|word| {
            let plural = format!("{word}s");
            let types = name.ends_with(word) || name.ends_with(&plural);
            types || last == word.to_lowercase() || last == plural.to_lowercase()
        })
    };
    let bad = source.defined.iter().filter(|defined| says_nothing(&defined.name));
    bad.map(|defined| format!("{file}:{}: the name `{}` says nothing", defined.line, defined.name)).collect()
}

/// Every Rust file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return vec![];
    };
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_room_names_only_floors_below_its_own() {
    let src = root().join("src");
    let floors = floors(&read(&src.join("lib.rs")));
    let files = files(&src);
    assert!(floors.len() > 10 && files.len() > 20, "{} rooms, {} files", floors.len(), files.len());
    let found: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(&src).expect("below src");
            violations(&file.to_string_lossy(), &read(path), &floors)
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn names_in_the_other_crates_say_something_too() {
    let found: Vec<String> = ["engine", "distill", "loadtest"]
        .iter()
        .flat_map(|member| files(&root().join(member).join("src")))
        .flat_map(|path| match Source::read(&read(&path), &[]) {
            Ok(source) => empty_words(&path.display().to_string(), &source),
            Err(error) => vec![format!("{}: {error}", path.display())],
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The checks themselves: what they must find, what they must leave alone.
mod rules {
    use super::*;

    const TABLE: &str = "//! | floor | rooms | what for |\n//! |---|---|---|\n//! | 9 | `main`, [`app`] | x |\n\
        //! | 8 | [`http`] | `app` |\n//! | 3 | [`batch`], [`store`] | siblings |\n//! | 1 | [`metrics`] | x |\n";

    #[track_caller]
    fn check(file: &str, text: &str, expected: &[&str]) {
        let found = violations(file, text, &floors(TABLE));
        assert_eq!(found.len(), expected.len(), "{text}\n{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "`{found}` must say `{expected}`");
        }
    }

    #[test]
    fn the_table_is_read() {
        let floors = floors(TABLE);
        let rooms: Vec<(&str, u32)> = floors.iter().map(|(room, floor)| (room.as_str(), *floor)).collect();
        let expected = [("app", 9), ("batch", 3), ("http", 8), ("main", 9), ("metrics", 1), ("store", 3)];
        assert_eq!(rooms, expected);
    }

    #[test]
    fn upwards_and_sideways_is_found_downwards_is_not() {
        check("http.rs", "use crate::{batch::{Batcher, policy}, metrics};", &[]);
        check("batch/worker.rs", "use crate::batch::policy; use super::policy as p;", &[]);
        check("batch.rs", "use crate::http;", &["src/batch.rs:1: `crate::http`: `batch` is on floor 3, `http` on 8"]);
        check("batch.rs", "use crate::{metrics,\n    http::{self, error}};", &[":2: `crate::http::self`", ":2: `crate::http::error`"]);
        check("batch.rs", "fn f() { crate::store::open::<u8>() }", &["`batch` is on floor 3, `store` on 3"]);
        check("batch/worker.rs", "use super::super::{app::App};", &["`super::super::app::App`"]);
        check("batch.rs", "mod inner { use super::super::http; }", &["`super::super::http`"]);
        check("batch.rs", "#[cfg(test)] mod tests { use super::*; use crate::app::App; }", &["`crate::app::App`"]);
        check("batch.rs", "fn f() { info!(\"{}\", crate::http::X); }", &["`crate::http::X`"]);
        check("batch.rs", "use crate::attic;", &["no room `attic`"]);
        check("attic.rs", "fn f() {}", &["no room `attic`"]);
        check("batch.rs", "use crate::*;", &["no room `*`"]);
        check("main.rs", "fn main() { stillhouse::app::main() }", &[]);
    }

    #[test]
    fn comments_strings_and_visibility_name_nothing() {
        check("batch.rs", "//! [`crate::http`]\n/// crate::app\npub(crate) struct A; // crate::http", &[]);
        check("batch.rs", "const A: &str = \"use crate::http;\"; const B: &str = r#\"axum::\"#;", &[]);
    }

    #[test]
    fn crates_stay_in_their_rooms() {
        check("http/body.rs", "use axum::Router; async fn f() { tokio::spawn(g()).await; }", &[]);
        check("store.rs", "use axum::http::StatusCode;", &["`axum::http::StatusCode`: only http may"]);
        check("store.rs", "use {arc_swap::ArcSwap};", &["only rollout may"]);
        check("store.rs", "pub async fn f() {}", &["`async`"]);
        check("batch.rs", "use tokio::sync::oneshot; fn f() { oneshot::channel() }", &[]);
        check("batch.rs", "use tokio::sync::{oneshot, mpsc};", &["`tokio::sync::mpsc`"]);
        check("store.rs", "use tokio::sync::oneshot;", &["`tokio::sync::oneshot`"]);
        check("http.rs", "use anyhow::Result;", &["only app, cli may"]);
    }

    #[test]
    fn pure_files_ask_no_clock_and_their_tests_may() {
        check("batch/policy.rs", "fn f() { std::time::Instant::now() }", &["this file is pure"]);
        check("batch/policy.rs", "use std::time::{Instant, SystemTime};", &["this file is pure"]);
        check("batch/policy.rs", "fn f(now: Instant) {}\n#[cfg(test)]\nmod tests { fn g() { Instant::now(); } }", &[]);
        check("batch/policy.rs", "#[cfg(test)] use a::b; fn f() { Instant::now() }", &["this file is pure"]);
        check("batch/worker.rs", "fn f() { Instant::now() }", &[]);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        check("batch.rs", "struct BatchManager; enum State {} trait Helper {}", &["BatchManager", "State", "Helper"]);
        check("batch.rs", "mod utils; mod app_state { type Info = u8; }", &["utils", "app_state", "Info"]);
        check("batch.rs", "struct DataPlane; struct Metadata; struct Statement; mod estate;", &[]);
        check("http.rs", "impl Body for B { type Data = Bytes; }", &[]);
    }
}
