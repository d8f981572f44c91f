//! Which engine runs a version and how its batches form: the tables `[engine]` and `[batch]` of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stillhouse_engine::{Backend, Device, EngineOptions};

/// A setting has an unknown value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Neither `auto` nor a back end.
    #[error("engine.backend is `{0}`; it must be `auto`, `onnxruntime` or `tract`")]
    Backend(String),
    /// Not a device.
    #[error("engine.device: {0}")]
    Device(String),
    /// A library that is named and isn't there: another one, or another engine, would be a surprise.
    #[error("engine.library is `{}`, which is no shared library of ONNX Runtime, nor a folder with one", .0.display())]
    Library(PathBuf),
    /// A device that the embedded engine doesn't support.
    #[error(
        "engine.device is `{0}`, but ONNX Runtime's library was not found and the embedded engine supports only the processor: set engine.library or ORT_DYLIB_PATH, or engine.device = \"cpu\""
    )]
    DeviceNeedsOrt(String),
}

/// `[engine]`: where and how networks run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// `auto` (ONNX Runtime where its library is found, else tract), `onnxruntime` or `tract`.
    pub backend: String,
    /// ONNX Runtime's shared library; empty: `ORT_DYLIB_PATH`, beside the binary, `target/onnxruntime/`.
    pub library: PathBuf,
    /// `cpu`, `cuda:0`, `tensorrt:0`.
    pub device: String,
    /// Whether a device that isn't available is replaced by the processor, with a line in the log.
    pub fallback: bool,
    /// Threads inside one run.
    pub intra_threads: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            backend: "auto".into(),
            library: PathBuf::new(),
            device: "cpu".into(),
            fallback: false,
            intra_threads: 1,
        }
    }
}

impl EngineSettings {
    /// The engine's options; `auto` is decided here.
    ///
    /// # Errors
    /// An unknown back end or device, or a device that the back end doesn't have.
    pub fn resolve(&self) -> Result<EngineOptions, SettingsError> {
        let device: Device = self.device.parse().map_err(SettingsError::Device)?;
        let explicit = (!self.library.as_os_str().is_empty()).then_some(self.library.as_path());
        let library = stillhouse_engine::find_library(explicit);
        if let (Some(named), None, true) = (explicit, &library, self.backend != "tract") {
            return Err(SettingsError::Library(named.to_owned()));
        }
        let backend = match self.backend.as_str() {
            "auto" if library.is_some() && Backend::compiled_in().contains(&Backend::Ort) => {
                Backend::Ort
            }
            "auto" => Backend::Tract,
            "onnxruntime" => Backend::Ort,
            "tract" => Backend::Tract,
            other => return Err(SettingsError::Backend(other.to_owned())),
        };
        if backend == Backend::Tract && device != Device::Cpu && !self.fallback {
            return Err(SettingsError::DeviceNeedsOrt(self.device.clone()));
        }
        Ok(EngineOptions {
            backend,
            device,
            fallback: self.fallback,
            intra_threads: self.intra_threads.max(1),
            library,
            hints: Default::default(),
        })
    }
}

impl EngineSettings {
    /// For the log: why this back end was chosen.
    pub fn why(&self, taken: Backend) -> &'static str {
        match (self.backend.as_str(), taken) {
            ("auto", Backend::Ort) => "ONNX Runtime's library was found",
            ("auto", Backend::Tract) => {
                "ONNX Runtime's library was not found: scripts/onnxruntime.sh fetches it"
            }
            _ => "engine.backend names it",
        }
    }
}

/// The engines that are available here, on the processor: compiled in, and for ONNX Runtime, with its library found.
///
/// # Errors
/// Never in practice: these settings are valid.
pub fn engines(settings: &EngineSettings) -> Result<Vec<EngineOptions>, SettingsError> {
    let on = |backend: &Backend| {
        let (backend, device) = (backend.to_string(), "cpu".to_owned());
        EngineSettings {
            backend,
            device,
            ..settings.clone()
        }
        .resolve()
    };
    let all: Result<Vec<EngineOptions>, _> = Backend::compiled_in().iter().map(on).collect();
    let there =
        |options: &EngineOptions| options.backend != Backend::Ort || options.library.is_some();
    Ok(all?.into_iter().filter(there).collect())
}

/// `[batch]`: how batches form; zero means measured when the version is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchSettings {
    /// A batch is complete at this many rows; 0: measured.
    pub max_batch: usize,
    /// Microseconds that the oldest row may wait for more rows; 0: never.
    pub max_wait_us: u64,
    /// Engines side by side, each on its own thread; 0: from the measurement and the number of cores.
    pub workers: usize,
    /// Rows that may wait; further requests are refused with 503.
    pub queue: usize,
    /// Milliseconds within which 99 of 100 answers shall come: batches and queue are kept small enough for it; 0: no
    /// target.
    pub slo_p99_ms: u64,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self {
            max_batch: 0,
            max_wait_us: 0,
            workers: 0,
            queue: 256,
            slo_p99_ms: 0,
        }
    }
}
