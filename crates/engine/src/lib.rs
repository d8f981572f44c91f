//! Runs ONNX classifiers behind one small trait, on ONNX Runtime or on tract; knows nothing of the server.
//!
//! | module        | holds                                                                        |
//! |---------------|------------------------------------------------------------------------------|
//! | [`engine`]    | the traits [`Sample`], [`Engine`] and [`Blueprint`]                            |
//! | [`options`]   | which back end, device and thread count                                      |
//! | [`signature`] | what a graph takes and gives: [`Signature`]                                   |
//! | [`onnx`]      | the part of the ONNX protobuf that is read and written here                  |
//! | `binary`      | two classes where a graph gives one score                                    |
//! | `one_row`     | one row at a time, where rows that share a run would change each other       |
//! | [`foreign`]   | files that are given in place of an ONNX network                              |
//! | [`walk`]      | the only reading of a graph: refuses external data, yields its [`Signature`]  |
//! | [`error`]     | [`EngineError`]                                                               |
//! | `priority`    | foreground and background work, and what the latter leaves free              |
//! | `idle`        | threads that run only when a core is otherwise idle                          |
//! | `stop`        | ends a run from another thread                                                |
//! | `exit`        | the end of a process in which a network still runs                            |
//! | `prepare`     | from bytes to a [`Blueprint`], whatever the back end                          |
//! | `telemetry`   | turns ONNX Runtime's usage data off                                          |
//! | `library`     | where ONNX Runtime's shared library may lie                                  |
//! | `ort`, `tract`| the back ends, each a cargo feature                                          |
//!
//! The way through: bytes → [`prepare`] → [`Blueprint`] (shared) → [`Blueprint::build`] on the thread that will own the
//! [`Engine`] → [`Engine::input`], [`Engine::run`].

mod binary;
pub mod engine;
pub mod error;
mod exit;
pub mod foreign;
mod idle;
mod library;
mod memory;
mod one_row;
pub mod onnx;
pub mod options;
#[cfg(feature = "ort")]
mod ort;
mod prepare;
mod priority;
#[cfg(feature = "scripted")]
pub mod scripted;
pub mod signature;
mod stop;
mod telemetry;
#[cfg(feature = "tract")]
mod tract;
pub mod walk;

pub use engine::{Blueprint, Engine, Sample};
pub use error::EngineError;
pub use exit::end_process;
pub use idle::{KernelThread, give_way, giving_way};
pub use library::find_library;
pub use memory::{limit_heaps, return_free_memory};
pub use one_row::one_row_at_a_time;
pub use options::{Backend, Device, EngineOptions};
pub use prepare::prepare;
pub use priority::Priority;
pub use signature::{Activation, Batch, Dim, ElementType, Port, Signature, SingleScore};
pub use stop::Stopper;
pub use telemetry::forbid_telemetry;
pub use walk::{Graph, Hints};
