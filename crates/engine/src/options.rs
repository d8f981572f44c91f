//! Which back end runs a graph, where, and with how many threads.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::Hints;

/// A back end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// ONNX Runtime, a shared library found at run time.
    Ort,
    /// tract, compiled in.
    Tract,
}

impl Backend {
    /// The back ends compiled in, the fastest first.
    pub const fn compiled_in() -> &'static [Self] {
        match (cfg!(feature = "ort"), cfg!(feature = "tract")) {
            (true, true) => &[Self::Ort, Self::Tract],
            (true, false) => &[Self::Ort],
            (false, true) => &[Self::Tract],
            (false, false) => &[],
        }
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "onnxruntime" | "ort" => Ok(Self::Ort),
            "tract" => Ok(Self::Tract),
            _ => Err(format!(
                "`{text}` is no back end: write `onnxruntime` or `tract`"
            )),
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ort => "onnxruntime",
            Self::Tract => "tract",
        })
    }
}

/// Where a graph runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processor; written `cpu`.
    #[default]
    Cpu,
    /// ONNX Runtime's CUDA execution provider; written `cuda:0`.
    Cuda(u16),
    /// ONNX Runtime's TensorRT execution provider; written `tensorrt:0`.
    TensorRt(u16),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(id) => write!(f, "cuda:{id}"),
            Self::TensorRt(id) => write!(f, "tensorrt:{id}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no device: write `cpu`, `cuda:0` or `tensorrt:0`");
        if text == "cpu" {
            return Ok(Self::Cpu);
        }
        let (kind, id) = text.split_once(':').unwrap_or((text, "0"));
        let id = id.parse().map_err(|_| wrong())?;
        match kind {
            "cuda" => Ok(Self::Cuda(id)),
            "tensorrt" => Ok(Self::TensorRt(id)),
            _ => Err(wrong()),
        }
    }
}

/// How a graph is to be run.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The back end.
    pub backend: Backend,
    /// The device; tract knows only the processor.
    pub device: Device,
    /// Whether a device that can't be had may be replaced by the processor ([`crate::Blueprint::describe`] then names the processor).
    pub fallback: bool,
    /// Threads inside one run. One is right wherever there are as many workers as cores.
    pub intra_threads: usize,
    /// ONNX Runtime's shared library, for [`Backend::Ort`]; `None` leaves the search to [`crate::find_library`].
    pub library: Option<PathBuf>,
    /// What is known of the network beside its graph.
    pub hints: Hints,
}

impl EngineOptions {
    /// `backend` on the processor, one thread, no fallback.
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            device: Device::Cpu,
            fallback: false,
            intra_threads: 1,
            library: None,
            hints: Hints::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for backend in [Backend::Ort, Backend::Tract] {
            assert_eq!(backend.to_string().parse(), Ok(backend));
        }
        for device in [Device::Cpu, Device::Cuda(0), Device::TensorRt(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("ort".parse(), Ok(Backend::Ort));
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for wrong in ["", "gpu", "cuda:", "cuda:-1", "cuda:0:1", "cpu:0"] {
            assert!(
                wrong.parse::<Device>().unwrap_err().contains("`cuda:0`"),
                "{wrong}"
            );
        }
        assert!(
            "openvino"
                .parse::<Backend>()
                .unwrap_err()
                .contains("`onnxruntime` or `tract`")
        );
    }
}
