//! Where training runs.

use anyhow::{Result, bail};
use burn::tensor::Device;

/// `cpu`: burn's own processor back end. With the feature `libtorch` also `libtorch` (processor) and `cuda:0`.
///
/// burn marks its libtorch back end as deprecated in favour of its CUDA one, which needs an LLVM 23 to build.
///
/// # Errors
/// A name that this build doesn't know.
#[cfg_attr(feature = "libtorch", allow(deprecated))]
pub fn parse(name: &str) -> Result<Device> {
    match name {
        "cpu" => Ok(Device::flex()),
        #[cfg(feature = "libtorch")]
        "libtorch" => Ok(Device::libtorch()),
        #[cfg(feature = "libtorch")]
        gpu if gpu.starts_with("cuda:") => match gpu["cuda:".len()..].parse::<usize>() {
            Ok(index) => Ok(Device::libtorch_cuda(index)),
            Err(_) => bail!("`{gpu}` is not a device: write cuda:0"),
        },
        other => bail!(
            "`{other}` is not a device of this build: write cpu (or build with --features libtorch for cuda:0)"
        ),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_processor_is_always_there_and_nonsense_never() {
        assert!(super::parse("cpu").is_ok());
        let error = super::parse("tpu").unwrap_err().to_string();
        assert!(error.contains("`tpu` is not a device"), "{error}");
    }
}
