//! A network trained here, on its training device.

use anyhow::Result;
use burn::tensor::{Device, Tensor, TensorData};
use stillhouse_image::Transform;

use super::interface::Teacher;
use crate::{batches::Pixels, network::Network};

/// Batch size on the device.
const CHUNK: usize = 500;

/// A network used for inference only.
#[derive(Debug)]
pub struct NetworkTeacher {
    network: Network,
    transform: Transform,
    classes: usize,
    device: Device,
}

impl NetworkTeacher {
    /// `network` must live on `device` without autodiff.
    pub fn new(network: Network, transform: Transform, classes: usize, device: Device) -> Self {
        Self {
            network,
            transform,
            classes,
            device,
        }
    }
}

impl Teacher for NetworkTeacher {
    fn classes(&self) -> usize {
        self.classes
    }

    fn transform(&self) -> &Transform {
        &self.transform
    }

    fn logits(&mut self, pixels: &Pixels) -> Result<Vec<f32>> {
        let row_len = self.transform.row_len();
        let inputs = pixels.normalized(&self.transform);
        let mut logits = Vec::with_capacity(pixels.rows() * self.classes);
        for chunk in inputs.chunks(CHUNK * row_len) {
            let shape = [chunk.len() / row_len, row_len];
            let input = Tensor::from_data(TensorData::new(chunk.to_vec(), shape), &self.device);
            logits.extend(
                self.network
                    .forward(input)
                    .into_data()
                    .try_into_vec::<f32>()?,
            );
        }
        Ok(logits)
    }
}
