//! A model server for distilled image classifiers.
//!
//! | floor | rooms                                   | what for                                                        |
//! |-------|-----------------------------------------|-----------------------------------------------------------------|
//! | 12    | `main`, [`cli`]                         | arguments, verbs                                                |
//! | 11    | [`app`]                                 | the composition root                                            |
//! | 10    | [`config`], [`import`]                  | settings composed; networks brought in                          |
//! | 9     | [`http`]                                | the two routers                                                 |
//! | 8     | [`control`]                             | who changes what is served: loading, journal, commands          |
//! | 7     | [`registry`]                            | model name → slot, fixed after start                            |
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
pub mod image;
pub mod import;
pub mod metrics;
pub mod registry;
pub mod rollout;
pub mod store;
pub mod strict;
pub mod version;
