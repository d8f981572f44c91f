//! A model server for distilled image classifiers.
//!
//! | floor | rooms                   | where                | what for                                                        |
//! |-------|-------------------------|----------------------|-----------------------------------------------------------------|
//! | 14    | `main`, [`cli`]         | `src`                | arguments, verbs                                                |
//! | 13    | [`app`]                 | `src`                | the composition root                                            |
//! | 12    | [`config`]              | `src`                | settings composed                                               |
//! | 11    | [`http`]                | `crates/http`        | the two routers                                                 |
//! | 10    | [`control`]             | `crates/control`     | who changes what is served: loading, journal, orders, the judge |
//! | 9     | [`serving`]             | `crates/serving`     | predictions without a protocol: budgets, deadlines, fallback, errors |
//! | 8     | [`registry`]            | `crates/core`        | model name → slot and shadow, fixed after start                 |
//! | 7     | [`shadow`]              | `crates/core`        | answers compared with the teacher's: pairs                      |
//! | 6     | [`rollout`]             | `crates/core`        | deployments: who answers, behind the one pointer that is swapped |
//! | 5     | [`version`]             | `crates/core`        | a running version                                               |
//! | 5     | [`import`]              | `crates/import`      | an ONNX file becomes a version                                  |
//! | 4     | [`golden`]              | `crates/golden`      | what an engine must reproduce before it serves a version        |
//! | 3     | [`batch`]               | `crates/core`        | queue and workers                                               |
//! | 3     | [`pair_series`]         | `crates/core`        | a version's differences from its teacher as Prometheus counters |
//! | 3     | [`store`]               | `crates/store`       | the model repository on disk                                    |
//! | 2     | [`watchdog`]            | `crates/core`        | runs of networks that do not end: stopped, or given up and counted |
//! | 2     | [`image`]               | `crates/image`       | decode and transform pictures                                   |
//! | 1     | [`drift`]               | `crates/drift`       | divergences, calibration, sequential tests: pure                |
//! | 1     | [`metrics`]             | `crates/metrics`     | the registry of metrics                                         |
//! | 1     | [`strict`]              | `crates/strict-toml` | TOML whose unknown keys are errors                              |
//! | 1     | `child_server`          | `crates/child-server`| a server in a child process, for the drill, tools and benchmarks |
//! | 0     | `engine`                | `crates/engine`      | ONNX Runtime and tract behind one trait                         |
//! | 0     | `excerpt`               | `crates/excerpt`     | what a caller wrote, cut to what may be repeated                |
//! | 0     | `test_support`          | `crates/test-support`| the pictures of tests and benchmarks, and a disk that can be full |
//!
//! A room names only floors below its own, never a neighbour. The rooms below `crates/` are crates of their own, so there the
//! compiler keeps the direction; `tests/floors/` reads this table and keeps it in `src` and in what the crates depend on.

pub mod app;
pub mod cli;
pub mod config;

// The crates below, under the names that the rooms above know them by.
pub use stillhouse_control as control;
pub use stillhouse_core::{batch, pair_series, registry, rollout, shadow, version, watchdog};
pub use stillhouse_drift as drift;
pub use stillhouse_golden as golden;
pub use stillhouse_http as http;
pub use stillhouse_image as image;
pub use stillhouse_import as import;
pub use stillhouse_metrics as metrics;
pub use stillhouse_serving as serving;
pub use stillhouse_store as store;
pub use stillhouse_strict_toml as strict;
