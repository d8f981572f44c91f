//! The memory of this machine that a session reads its input from.

use ort::{
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::Session,
    value::Tensor,
};

use crate::Device;

/// Numbers in one piece, to be filled by us and read by a session.
pub(super) enum Host {
    /// Any memory: all that the processor needs.
    Plain(Vec<f32>),
    /// From an allocator of the session's: for a device, pages that stay where they are, which it reads by itself instead of
    /// waiting until the driver has copied them to such pages of its own.
    Allocated(Tensor<f32>),
}

impl Host {
    /// `len` zeros, where the session's device reads them best; plain memory where that can't be had.
    pub(super) fn new(session: &Session, device: Device, len: usize) -> Self {
        let pinned = match device {
            Device::Cpu => None,
            Device::Cuda(id) | Device::TensorRt(id) => pinned(session, id).ok(),
        };
        pinned
            .and_then(|allocator| Self::allocated(&allocator, len).ok())
            .unwrap_or_else(|| Self::Plain(vec![0.0; len]))
    }

    pub(super) fn allocated(allocator: &Allocator, len: usize) -> ort::Result<Self> {
        let mut tensor = Tensor::new(allocator, [len])?;
        // It comes as it is.
        tensor.extract_tensor_mut().1.fill(0.0);
        Ok(Self::Allocated(tensor))
    }

    pub(super) fn numbers(&self) -> &[f32] {
        match self {
            Self::Plain(numbers) => numbers,
            Self::Allocated(tensor) => tensor.extract_tensor().1,
        }
    }

    pub(super) fn numbers_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Plain(numbers) => numbers,
            Self::Allocated(tensor) => tensor.extract_tensor_mut().1,
        }
    }
}

/// An allocator of this machine's memory from CUDA's execution provider, which TensorRT's uses as well.
fn pinned(session: &Session, device: u16) -> ort::Result<Allocator> {
    let memory = MemoryInfo::new(
        AllocationDevice::CUDA_PINNED,
        i32::from(device),
        AllocatorType::Device,
        MemoryType::CPUInput,
    )?;
    Allocator::new(session, memory)
}
