//! The rules, applied to what one file names and defines.

use std::{collections::BTreeMap, path::Path};

use super::source::{Named, Source};

/// The table of floors at the top of `src/lib.rs`.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Rooms by name, with their floor.
    pub floors: BTreeMap<String, u32>,
    /// Crates by the name that code gives them, `stillhouse_strict_toml`, with their rooms.
    pub crates: BTreeMap<String, Vec<String>>,
}

/// The only modules that may name a crate or use a keyword.
const ONLY: &[(&[&str], &[&str])] = &[
    (
        &[
            "axum",
            "tower",
            "tower_http",
            "hyper",
            "hyper_util",
            "http_body_util",
            "multer",
        ],
        &["http"],
    ),
    (&["arc_swap"], &["rollout"]),
    (
        &["tokio", "futures_util", "async", "await"],
        &["http", "control", "serving", "app", "cli", "child_server"],
    ),
    (&["anyhow"], &["app", "cli", "child_server"]),
];

/// What a module may name despite [`ONLY`]. The sender of a reply is synchronous.
const EXCEPT: &[(&str, &str)] = &[("batch", "tokio::sync::oneshot")];

/// Pure files and folders: time and randomness are their arguments (their tests may read the clock).
const PURE: &[&str] = &[
    "crates/control/src/judge.rs",
    "crates/control/src/judge/criteria.rs",
    "crates/control/src/judge/evidence.rs",
    "crates/control/src/judge/reason.rs",
    "crates/control/src/trial.rs",
    "crates/control/src/trial/saved.rs",
    "crates/core/src/batch/policy.rs",
    "crates/core/src/rollout/change.rs",
    "crates/core/src/rollout/split.rs",
    "crates/core/src/shadow/admission.rs",
    "crates/drift/src/",
    "crates/serving/src/deadline.rs",
    "crates/serving/src/error/table.rs",
];

/// What a pure file may not name.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "Uuid",
    "rand",
    "fastrand",
];

/// Last words of names that carry no meaning.
const EMPTY_WORDS: &[&str] = &[
    "Manager", "Helper", "Util", "Common", "State", "Info", "Data",
];

impl Table {
    /// Reads the rows ``//! | 3 | [`store`] | `crates/store` | ... |`` of the crate's documentation.
    pub(crate) fn read(crate_doc: &str) -> Self {
        let mut table = Self::default();
        let rows = crate_doc
            .lines()
            .filter_map(|line| line.strip_prefix("//! |"));
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let [floor, rooms, place, ..] = cells[..] else {
                continue;
            };
            let Ok(floor) = floor.parse() else { continue };
            for room in rooms.split('`').skip(1).step_by(2) {
                table.floors.insert(room.to_owned(), floor);
                if let Some(folder) = place.trim_matches('`').strip_prefix("crates/") {
                    let rooms = table.crates.entry(identifier(folder)).or_default();
                    rooms.push(room.to_owned());
                }
            }
        }
        table
    }

    /// The highest room of a crate.
    fn top(&self, identifier: &str) -> Option<&String> {
        let rooms = self.crates.get(identifier)?;
        rooms.iter().max_by_key(|room| self.floors[*room])
    }
}

/// The name by which code uses the crate in the folder `crates/<folder>`.
fn identifier(folder: &str) -> String {
    format!("stillhouse_{}", folder.replace('-', "_"))
}

/// Which of the dependencies in `manifest`, the `Cargo.toml` of the crate in `crates/<folder>`, are on the wrong floor.
pub(crate) fn wrong_dependencies(folder: &str, manifest: &str, table: &Table) -> Vec<String> {
    let place = format!("crates/{folder}/Cargo.toml");
    let manifest: toml::Table = match manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("{place}: {error}")],
    };
    let Some(room) = table.top(&identifier(folder)) else {
        return vec![format!(
            "{place}: no row for `crates/{folder}` in the table of src/lib.rs"
        )];
    };
    ["dependencies", "dev-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|section| section.keys())
        .filter(|name| name.starts_with("stillhouse"))
        .filter_map(|name| {
            let Some(other) = table.top(&name.replace('-', "_")) else {
                return Some(format!("{place}: `{name}` is above all crates"));
            };
            // A crate may name itself among its dev-dependencies, with other features.
            let wrong = other != room && table.floors[other] >= table.floors[room];
            wrong.then(|| {
                format!(
                    "{place}: `{room}` is on floor {}, `{other}` on {}",
                    table.floors[room], table.floors[other]
                )
            })
        })
        .collect()
}

/// Where a file lies.
struct Place {
    /// Its module's path in its crate; empty for `lib.rs`.
    module: Vec<String>,
    /// Its room; none for the root of a crate with several rooms.
    room: Option<String>,
    /// Whether the modules of its crate are rooms.
    has_rooms: bool,
}

impl Place {
    /// Of a file below the repository's root.
    fn of(file: &str, table: &Table) -> Self {
        let (folder, below) = file.split_once("src/").unwrap_or(("", file));
        let module = module(below);
        let folder = folder.strip_prefix("crates/").unwrap_or_default();
        let rooms = table.crates.get(&identifier(folder.trim_end_matches('/')));
        match rooms.map(Vec::as_slice) {
            Some([room]) => Self {
                module,
                room: Some(room.clone()),
                has_rooms: false,
            },
            _ => Self {
                room: module.first().cloned(),
                module,
                has_rooms: true,
            },
        }
    }
}

/// The module of a file below a folder `src`: `http/listener.rs` is `http::listener`, `lib.rs` the root.
fn module(file: &str) -> Vec<String> {
    let path = Path::new(file).with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let mut parts: Vec<String> = parts.collect();
    parts.pop_if(|last| *last == "mod" || *last == "lib");
    parts
}

/// What `text`, the file `file` below the repository's root, does against the rules; one line each.
pub(crate) fn violations(file: &str, text: &str, table: &Table) -> Vec<String> {
    let place = Place::of(file, table);
    let source = match Source::read(text, &place.module) {
        Ok(source) => source,
        Err(error) => return vec![format!("{file}: {error}")],
    };
    let mut found = empty_words(file, &source);
    let Some(room) = &place.room else {
        return found;
    };
    if !table.floors.contains_key(room) {
        found.push(format!(
            "{file}: no room `{room}` in the table of src/lib.rs"
        ));
        return found;
    }
    for named in &source.named {
        let wrongs = [
            too_high(room, place.has_rooms, named, table),
            out_of_its_room(room, named),
            impure(file, named),
        ];
        let place = format!("{file}: `{}`", named.path());
        found.extend(
            wrongs
                .into_iter()
                .flatten()
                .map(|wrong| format!("{place}: {wrong}")),
        );
    }
    found
}

fn too_high(room: &str, has_rooms: bool, named: &Named, table: &Table) -> Option<String> {
    let other = match table.crates.get(&named.parts[0]).map(Vec::as_slice) {
        Some([only]) => only,
        // Of a crate with several rooms the next part names one.
        Some(rooms) => rooms
            .iter()
            .find(|room| named.parts.get(1) == Some(*room))?,
        None if has_rooms => named.in_crate()?.first()?,
        None => return None,
    };
    let floors = &table.floors;
    // The program is a crate of its own, above the whole library.
    if other == room || room == "main" {
        return None;
    }
    match (floors[room], floors.get(other)) {
        (_, None) => Some(format!("no room `{other}` in the table of src/lib.rs")),
        (own, Some(floor)) if *floor >= own => {
            Some(format!("`{room}` is on floor {own}, `{other}` on {floor}"))
        }
        _ => None,
    }
}

fn out_of_its_room(room: &str, named: &Named) -> Option<String> {
    let root = named.parts[0].as_str();
    let (_, rooms) = ONLY.iter().find(|(names, _)| names.contains(&root))?;
    let except = EXCEPT
        .iter()
        .any(|(who, what)| *who == room && named.path().starts_with(what));
    let allowed = rooms.contains(&room) || except;
    (!allowed).then(|| format!("only {} may", rooms.join(", ")))
}

/// `file` is below the repository's root.
fn impure(file: &str, named: &Named) -> Option<String> {
    let path = format!("::{}::", named.path());
    let names = |impure: &&str| path.contains(&format!("::{impure}::"));
    let is_pure = PURE.iter().any(|pure| file.starts_with(pure));
    let wrong = is_pure && !named.test && IMPURE.iter().any(names);
    wrong.then(|| "this file is pure; make it an argument".to_owned())
}

/// The findings in `text`, the file `file` of a crate (below the repository's root), for the rules that apply to every
/// crate.
pub(crate) fn violations_in_crate(file: &str, text: &str) -> Vec<String> {
    let source = match Source::read(text, &[]) {
        Ok(source) => source,
        Err(error) => return vec![format!("{file}: {error}")],
    };
    let mut found = empty_words(file, &source);
    found.extend(source.named.iter().filter_map(|named| {
        let wrong = impure(file, named)?;
        Some(format!("{file}: `{}`: {wrong}", named.path()))
    }));
    found
}

/// Types and modules whose name is, or ends in, a word that carries no meaning.
fn empty_words(file: &str, source: &Source) -> Vec<String> {
    // `AppState` and `app_state` end in the word; `Metadata` and `estate` don't.
    let says_nothing = |name: &str| {
        let singular = name.strip_suffix('s').unwrap_or(name);
        let last = singular.rsplit('_').next().unwrap_or_default();
        EMPTY_WORDS
            .iter()
            .any(|word| singular.ends_with(word) || last == word.to_lowercase())
    };
    let bad = source
        .defined
        .iter()
        .filter(|defined| says_nothing(&defined.name));
    bad.map(|defined| format!("{file}: the name `{}` says nothing", defined.name))
        .collect()
}
