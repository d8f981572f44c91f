//! A model server for distilled image classifiers.
//!
//! | floor | rooms                                   | what for                                                        |
//! |-------|-----------------------------------------|-----------------------------------------------------------------|
//! | 9     | `main`, [`cli`], [`app`]                | arguments; the composition root                                 |
//! | 8     | [`http`], [`config`], [`import`]        | the two routers; settings composed; networks brought in         |
//! | 6     | [`registry`]                            | model name → slot, fixed after start                            |
//! | 5     | [`rollout`]                             | deployments: who answers, behind the one pointer that is swapped |
//! | 4     | [`version`], [`golden`]                 | a running version; the samples it must reproduce                |
//! | 3     | [`batch`], [`drift`], [`store`]         | queue and workers; divergences; the repository on disk          |
//! | 2     | [`image`]                               | decode and transform                                            |
//! | 1     | [`metrics`], [`strict`]                 | the registry of metrics; strict TOML                            |
//! | 0     | the crate `stillhouse-engine`           | ONNX Runtime and tract behind one trait                         |
//!
//! A module names only floors below its own; `tests/floors.rs` keeps it so.

pub mod app;
pub mod batch;
pub mod cli;
pub mod config;
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
