//! The rules, over what one file names and defines.

use std::{collections::BTreeMap, path::Path};

use super::source::{Named, Source};

/// Rooms by name, with their floor.
pub type Floors = BTreeMap<String, u32>;

/// Who alone may name a crate or use a keyword.
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
        &["http", "control", "serving", "app", "cli"],
    ),
    (&["anyhow"], &["app", "cli"]),
];

/// What a room may name in spite of [`ONLY`]. The sender of a reply is synchronous.
const EXCEPT: &[(&str, &str)] = &[("batch", "tokio::sync::oneshot")];

/// Pure files: time and chance are their arguments (their tests may ask the clock).
const PURE: &[&str] = &[
    "batch/policy.rs",
    "rollout/split.rs",
    "control/judge.rs",
    "control/judge/criteria.rs",
    "control/judge/evidence.rs",
    "control/judge/reason.rs",
    "drift/calibration.rs",
    "drift/cooldown.rs",
    "drift/distribution.rs",
    "drift/divergence.rs",
    "drift/marginal.rs",
    "drift/sequential.rs",
    "drift/sequential/detector.rs",
    "drift/sequential/difference.rs",
    "drift/sequential/interval.rs",
    "drift/sequential/logarithm.rs",
    "drift/sequential/paired.rs",
    "drift/sequential/promotion.rs",
    "drift/sequential/roll_back.rs",
    "drift/sequential/thinning.rs",
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

/// Last words of names that say nothing.
const EMPTY_WORDS: &[&str] = &[
    "Manager", "Helper", "Util", "Common", "State", "Info", "Data",
];

/// Reads the rows ``//! | 3 | [`batch`], [`drift`] | ... |`` of the crate's documentation.
pub fn floors(crate_doc: &str) -> Floors {
    let rows = crate_doc
        .lines()
        .filter_map(|line| line.strip_prefix("//! |"));
    rows.filter_map(|row| {
        let mut cells = row.split('|');
        let floor: u32 = cells.next()?.trim().parse().ok()?;
        Some((floor, cells.next()?))
    })
    .flat_map(|(floor, rooms)| {
        let quoted = rooms.split('`').skip(1).step_by(2);
        quoted.map(move |room| (room.to_owned(), floor))
    })
    .collect()
}

/// The module of a file below `src/`: `http/listener.rs` is `http::listener`, `lib.rs` the root.
fn module(file: &str) -> Vec<String> {
    let path = Path::new(file).with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let mut parts: Vec<String> = parts.collect();
    parts.pop_if(|last| *last == "mod" || *last == "lib");
    parts
}

/// What `text`, the file `src/<file>`, does against the rules; one line each.
pub fn violations(file: &str, text: &str, floors: &Floors) -> Vec<String> {
    let module = module(file);
    let source = match Source::read(text, &module) {
        Ok(source) => source,
        Err(error) => return vec![format!("src/{file}: {error}")],
    };
    let mut found = empty_words(&format!("src/{file}"), &source);
    let Some(room) = module.first() else {
        return found;
    };
    if !floors.contains_key(room) {
        found.push(format!(
            "src/{file}: no room `{room}` in the table of src/lib.rs"
        ));
        return found;
    }
    for named in &source.named {
        let wrongs = [
            too_high(room, named, floors),
            out_of_its_room(room, named),
            impure(file, named),
        ];
        let place = format!("src/{file}: `{}`", named.path());
        found.extend(
            wrongs
                .into_iter()
                .flatten()
                .map(|wrong| format!("{place}: {wrong}")),
        );
    }
    found
}

fn too_high(room: &str, named: &Named, floors: &Floors) -> Option<String> {
    let other = &named.in_crate()?[0];
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

fn impure(file: &str, named: &Named) -> Option<String> {
    let path = format!("::{}::", named.path());
    let names = |impure: &&str| path.contains(&format!("::{impure}::"));
    let wrong = PURE.contains(&file) && !named.test && IMPURE.iter().any(names);
    wrong.then(|| "this file is pure; make it an argument".to_owned())
}

/// Types and modules that are called, or end in, a word that says nothing.
pub fn empty_words(file: &str, source: &Source) -> Vec<String> {
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
