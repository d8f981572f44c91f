//! A model server for distilled image classifiers.
//!
//! | floor | rooms                                   | what for                                                        |
//! |-------|-----------------------------------------|-----------------------------------------------------------------|
//! | 14    | `main`, [`cli`]                         | arguments, verbs                                                |
//! | 13    | [`app`]                                 | the composition root                                            |
//! | 12    | [`config`], [`import`]                  | settings composed; networks brought in                          |
//! | 11    | [`http`]                                | the two routers                                                 |
//! | 10    | [`control`]                             | who changes what is served: loading, journal, orders, the judge |
//! | 9     | [`serving`]                             | predictions without a protocol: budgets, deadlines, fallback, errors |
//! | 8     | [`registry`]                            | model name → slot and shadow, fixed after start                 |
//! | 7     | [`shadow`]                              | answers compared with the teacher's: pairs                      |
//! | 6     | [`rollout`]                             | deployments: who answers, behind the one pointer that is swapped |
//! | 5     | [`version`]                             | a running version                                               |
//! | 4     | [`golden`]                              | the samples that a version must reproduce                       |
//! | 3     | [`batch`], [`drift`], [`store`]         | queue and workers; divergences; the repository on disk          |
//! | 2     | [`image`]                               | decode and transform                                            |
//! | 1     | [`metrics`], [`strict`]                 | the registry of metrics; strict TOML                            |
//! | 0     | the crate `stillhouse-engine`           | ONNX Runtime and tract behind one trait                         |
//!
//! A module names only floors below its own, never a neighbour; `tests/floors/` reads this table and keeps it so.

pub mod app;
pub mod batch;
pub mod cli;
pub mod config;
pub mod control;
pub mod drift;
pub mod golden;
pub mod http;
pub mod import;
pub mod registry;
pub mod rollout;
pub mod serving;
pub mod shadow;
pub mod version;

// The crates below, under the names that the rooms above know them by.
pub use stillhouse_image as image;
pub use stillhouse_metrics as metrics;
pub use stillhouse_store as store;
pub use stillhouse_strict_toml as strict;
