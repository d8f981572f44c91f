//! The shared library and its environment, once per process.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use ort::{environment::Environment, logging::LogLevel};

use crate::{Backend, EngineError, find_library};

/// The loaded library. It is never unloaded: ONNX Runtime allows one environment per process.
pub(super) struct Runtime {
    pub(super) environment: Environment,
    /// The library's version, e.g. `1.31.1`.
    pub(super) version: String,
    path: PathBuf,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

impl Runtime {
    /// The runtime, loaded now from `explicit` or from where it is found, unless it was loaded before.
    pub(super) fn load(explicit: Option<&Path>) -> Result<&'static Self, EngineError> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        match (RUNTIME.get(), explicit) {
            (None, _) => {
                let runtime = Self::load_from(&find(explicit)?)?;
                Ok(RUNTIME.get_or_init(|| runtime))
            }
            (Some(runtime), None) => Ok(runtime),
            (Some(runtime), Some(_)) => match resolve(&find(explicit)?)? {
                path if path == runtime.path => Ok(runtime),
                path => Err(missing(format!(
                    "this process has already loaded {}; {} needs a process of its own",
                    runtime.path.display(),
                    path.display()
                ))),
            },
        }
    }

    fn load_from(path: &Path) -> Result<Self, EngineError> {
        let path = resolve(path)?;
        let builder = ort::init_from(&path).map_err(|error| missing(error.to_string()))?;
        // Silent: what goes wrong comes back as an error, and is logged once, where it is handled.
        let environment = builder
            .with_name("stillhouse")
            .with_telemetry(false)
            .with_logger(Arc::new(|_, _, _, _, _| {}))
            .build()
            .map_err(|error| missing(error.to_string()))?;
        environment.set_log_level(LogLevel::Fatal);
        Ok(Self {
            environment,
            version: version(&path),
            path,
        })
    }
}

fn find(explicit: Option<&Path>) -> Result<PathBuf, EngineError> {
    find_library(explicit).ok_or_else(|| match explicit {
        Some(path) => missing(format!("there is no library at {}", path.display())),
        None => missing(
            "its shared library is neither at ORT_DYLIB_PATH nor beside the binary nor in target/onnxruntime; \
             scripts/onnxruntime.sh fetches it"
                .to_owned(),
        ),
    })
}

/// Absolute and without links, so that one file has one name.
fn resolve(path: &Path) -> Result<PathBuf, EngineError> {
    path.canonicalize()
        .map_err(|error| missing(format!("{}: {error}", path.display())))
}

/// From the file's name where that contains it, otherwise from the branch that the library was built from.
fn version(path: &Path) -> String {
    let name = path
        .file_name()
        .map_or_else(Default::default, |name| name.to_string_lossy());
    let in_name = name.split_once(".so.").map(|(_, version)| version);
    let in_branch = || {
        ort::info()
            .split(['-', ',', ' '])
            .find(|part| part.starts_with("1."))
    };
    in_name
        .or_else(in_branch)
        .unwrap_or("of unknown version")
        .to_owned()
}

fn missing(detail: String) -> EngineError {
    EngineError::Backend {
        backend: Backend::Ort,
        detail,
    }
}
