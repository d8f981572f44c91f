//! How a session is set up: threads, device.

use bytes::Bytes;
use ort::{
    ep::{self, ExecutionProviderDispatch, cuda::ConvAlgorithmSearch},
    session::Session,
};

use super::Runtime;
use crate::{Backend, Device, EngineError, EngineOptions};

/// Everything a session is made of.
pub(super) struct Recipe {
    bytes: Bytes,
    pub(super) device: Device,
    intra_threads: usize,
}

/// Why there is no session.
pub(super) struct Failure(ort::Error);

impl<R> From<ort::Error<R>> for Failure
where
    ort::Error: From<ort::Error<R>>,
{
    fn from(error: ort::Error<R>) -> Self {
        Self(error.into())
    }
}

impl Recipe {
    pub(super) fn new(bytes: Bytes, options: &EngineOptions) -> Self {
        Self {
            bytes,
            device: options.device,
            intra_threads: options.intra_threads.max(1),
        }
    }

    /// A new session, with threads, arena and weights of its own.
    ///
    /// Sharing initializers and prepacked weights between sessions saves nothing: two sessions of a fully connected
    /// network of 5 MB take 61 MB shared and 59 MB apart, two of SqueezeNet 79 and 74 (its kernels are laid out anew).
    pub(super) fn session(&self, runtime: &Runtime) -> Result<Session, Failure> {
        let builder = Session::builder(&runtime.environment)?
            .with_intra_threads(self.intra_threads)?
            .with_inter_threads(1)?
            // Spinning doubles the CPU time per image under load.
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            // Or bytes that pass for both formats would be read as the one that the walk hasn't seen.
            .with_config_entry("session.load_model_format", "ONNX")?;
        Ok(builder
            .with_execution_providers(providers(self.device))?
            .commit_from_memory(&self.bytes)?)
    }
}

/// In order of preference; the processor follows by itself.
fn providers(device: Device) -> Vec<ExecutionProviderDispatch> {
    let cuda = |id: u16| {
        ep::CUDA::default()
            .with_device_id(id.into())
            // The default, exhaustive, tries every algorithm at every new batch size: seconds of silence each time.
            .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
            // TF32 keeps ten bits of the mantissa, as f16 does: too few for golden samples made in f32.
            .with_tf32(false)
            .build()
            .error_on_failure()
    };
    match device {
        Device::Cpu => vec![],
        Device::Cuda(id) => vec![cuda(id)],
        Device::TensorRt(id) => {
            vec![
                ep::TensorRT::default()
                    .with_device_id(id.into())
                    .build()
                    .error_on_failure(),
                cuda(id),
            ]
        }
    }
}

impl Failure {
    pub(super) fn detail(&self) -> String {
        self.0
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// The failure of a session on the processor: only the graph can be at fault.
    pub(super) fn against_graph(self) -> EngineError {
        let (backend, detail) = (Backend::Ort, self.detail());
        match unknown_operator(&detail) {
            Some(operator) => EngineError::Operator {
                backend,
                operator,
                detail,
            },
            None => EngineError::Load { backend, detail },
        }
    }
}

/// The operator that a load error is about, in the three forms ONNX Runtime has for it.
fn unknown_operator(message: &str) -> Option<String> {
    let until = |rest: &str, end: char| rest.split(end).next().map(str::to_owned);
    if let Some((_, rest)) = message.split_once("Could not find an implementation for ") {
        return until(rest, '(');
    }
    if let Some((_, rest)) = message.split_once("No Op registered for ") {
        return until(rest, ' ');
    }
    // "Fatal error: com.example:Frobnicate(-1) is not a registered function/op"
    let (before, _) = message.split_once(" is not a registered function/op")?;
    let operator = until(before.rsplit(' ').next()?, '(')?;
    Some(operator.trim_start_matches("ai.onnx:").replace(':', "."))
}

#[cfg(test)]
mod tests {
    use super::unknown_operator;

    #[test]
    fn operators_are_found_in_messages() {
        let check =
            |message, right: Option<&str>| assert_eq!(unknown_operator(message).as_deref(), right);
        check(
            "Could not find an implementation for QLinearFoo(13) node with name 'q'",
            Some("QLinearFoo"),
        );
        check(
            "In Node, (\"y\", Foo, \"\", -1) : , Error No Op registered for Foo with domain_version of 17",
            Some("Foo"),
        );
        check(
            "Fatal error: com.example:Foo(-1) is not a registered function/op",
            Some("com.example.Foo"),
        );
        check(
            "Fatal error: ai.onnx:Foo(17) is not a registered function/op",
            Some("Foo"),
        );
        check("Load model failed: Protobuf parsing failed.", None);
        check("", None);
    }
}
