//! Tests of the rules: what they must find, and what they must accept.

use super::rules::{Table, violations, violations_in_crate, wrong_dependencies};

const TABLE: &str = "
//! | floor | rooms               | where                | what for |
//! |-------|---------------------|----------------------|----------|
//! | 9     | `main`, [`app`]     | `src`                | not `a`  |
//! | 8     | [`http`]            | `src`                |          |
//! | 4     | [`roles`]           | `crates/core`        |          |
//! | 3     | [`batch`]           | `src`                |          |
//! | 3     | [`store`]           | `crates/store`       |          |
//! | 2     | [`queue`]           | `crates/core`        |          |
//! | 1     | [`metrics`]         | `src`                |          |
//! | 1     | [`strict`]          | `crates/strict-toml` |          |
";

/// One case a line: file below src, or of a crate, code, and what must be found, in order; a file stands for the lines after it, too.
const CASES: &str = r##"
http.rs         | use crate::{batch::{Batcher, policy}, metrics};                   |
batch/worker.rs | use crate::batch::policy; use super::policy as same;              |
main.rs         | fn main() { stillhouse::app::main() }                             |

batch.rs        | use crate::http;                          | src/batch.rs: `crate::http`: `batch` is on floor 3, `http` on 8
                | use crate::{metrics, http::{self, error}};                        | `crate::http::self` & `crate::http::error`
                | fn f() { crate::store::open::<u8>() }                             | `batch` is on floor 3, `store` on 3
                | fn f() { info!("{}", crate::http::X); }                           | `crate::http::X`
                | mod inner { use super::super::http; }                             | `super::super::http`
                | #[cfg(test)] mod tests { use super::*; use crate::app::App; }     | `crate::app::App`
                | use stillhouse_store::Repository;                                 | `batch` is on floor 3, `store` on 3
                | use stillhouse_strict_toml::Tree;                                 |
                | use crate::attic;                                                 | no room `attic`
                | use crate::*;                                                     | no room `*`
                | struct Unclosed {                                                 | src/batch.rs:
batch/worker.rs | use super::super::{app::App};                                     | `super::super::app::App`
attic.rs        | fn f() {}                                                         | no room `attic`

batch.rs        | pub(crate) struct A; /* crate::http */ #[doc = "crate::app"] struct B; |
                | const A: &str = "use crate::http;"; const B: &str = r#"axum::"#;  |

http/body.rs    | use axum::Router; async fn f() { tokio::spawn(g()).await; }       |
                | use anyhow::Result;                                               | only app, cli, child_server may
store.rs        | use axum::http::StatusCode;                                       | `axum::http::StatusCode`: only http may
                | use {arc_swap::ArcSwap};                                          | only rollout may
                | pub async fn f() {}                                               | `async`
                | use tokio::sync::oneshot;                                         | `tokio::sync::oneshot`
batch.rs        | use tokio::sync::oneshot; fn f() { oneshot::channel() }           |
                | use tokio::sync::{oneshot, mpsc};                                 | `tokio::sync::mpsc`

crates/core/src/batch/policy.rs | fn f() { std::time::Instant::now() }                              | this file is pure
                | use std::time::{Instant, SystemTime};                             | this file is pure
                | fn f(now: Instant) {} #[cfg(test)] mod tests { fn g() { Instant::now(); } } |
                | #[cfg(test)] use a::b; fn f() { Instant::now() }                  | this file is pure
batch/worker.rs | fn f() { Instant::now() }                                         |

batch.rs        | struct BatchManager; enum State {} trait Helper {}                | `BatchManager` & `State` & `Helper`
                | mod utils; mod app_state { type Info = u8; }                      | `utils` & `app_state` & `Info`
                | struct DataPlane; struct Metadata; struct Statement; mod estate;  |
http.rs         | impl Body for B { type Data = Bytes; }                            |

crates/core/src/queue/worker.rs | use crate::roles::Role;                           | `queue` is on floor 2, `roles` on 4
                | use stillhouse_store::Repository;                                 | `queue` is on floor 2, `store` on 3
crates/core/src/roles.rs | use crate::queue; use stillhouse_store::Repository;      |
crates/core/src/lib.rs | pub mod queue; pub mod roles;                              |
crates/store/src/read.rs | use crate::http; use stillhouse_core::queue;             |
                | use stillhouse_core::roles::Role;                                 | `store` is on floor 3, `roles` on 4
                | async fn f() {}                                                   | only http, control
"##;

#[test]
fn the_table_is_read() {
    let table = Table::read(TABLE);
    let rooms: Vec<String> = table
        .floors
        .iter()
        .map(|(room, floor)| format!("{room} {floor}"))
        .collect();
    assert_eq!(
        rooms.join(", "),
        "app 9, batch 3, http 8, main 9, metrics 1, queue 2, roles 4, store 3, strict 1"
    );
    let crates: Vec<String> = table
        .crates
        .iter()
        .map(|(name, rooms)| format!("{name} {}", rooms.join(" and ")))
        .collect();
    assert_eq!(
        crates.join(", "),
        "stillhouse_core roles and queue, stillhouse_store store, stillhouse_strict_toml strict"
    );
}

#[test]
fn dependencies_on_the_own_floor_or_above_are_found() {
    let table = Table::read(TABLE);
    let check = |folder: &str, manifest: &str, expected: &[&str]| {
        let found = wrong_dependencies(folder, manifest, &table);
        assert_eq!(found, expected, "{folder}: {manifest}");
    };
    check(
        "store",
        "[dependencies]\nserde = \"1\"\nstillhouse-strict-toml = \"1\"\n[dev-dependencies]\nstillhouse-store.features = [\"a\"]",
        &[],
    );
    check(
        "strict-toml",
        "[dev-dependencies]\nstillhouse-store.workspace = true",
        &["crates/strict-toml/Cargo.toml: `strict` is on floor 1, `store` on 3"],
    );
    check(
        "store",
        "[dependencies]\nstillhouse-core.workspace = true",
        &["crates/store/Cargo.toml: `store` is on floor 3, `roles` on 4"],
    );
    check(
        "core",
        "[dependencies]\nstillhouse-store.workspace = true",
        &[],
    );
    check(
        "store",
        "[dependencies]\nstillhouse = \"1\"",
        &["crates/store/Cargo.toml: `stillhouse` is above all crates"],
    );
    check(
        "attic",
        "",
        &["crates/attic/Cargo.toml: no row for `crates/attic` in the table of src/lib.rs"],
    );
}

#[test]
fn rules_of_every_crate() {
    let clock = "fn f() { std::time::Instant::now() } struct StoreManager;";
    let pure = violations_in_crate("crates/drift/src/ring.rs", clock);
    assert_eq!(pure.len(), 2, "{pure:#?}");
    assert!(pure[0].contains("`StoreManager`") && pure[1].contains("this file is pure"));
    assert_eq!(
        violations_in_crate("crates/store/src/lib.rs", clock).len(),
        1
    );
}

#[test]
fn violations_are_found_and_nothing_else() {
    let table = Table::read(TABLE);
    let mut file = "";
    for case in CASES.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = case.split('|').map(str::trim).collect();
        let [named, code, expected] = cells[..] else {
            panic!("not three cells: {case}");
        };
        file = if named.is_empty() { file } else { named };
        let expected: Vec<&str> = expected
            .split(" & ")
            .filter(|part| !part.is_empty())
            .collect();
        let file = match file.starts_with("crates/") {
            true => file.to_owned(),
            false => format!("src/{file}"),
        };
        let found = violations(&file, code, &table);
        assert_eq!(found.len(), expected.len(), "{case}\n{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                found.contains(expected),
                "`{found}` must contain `{expected}`"
            );
        }
    }
}
