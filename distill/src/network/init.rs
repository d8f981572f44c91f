//! Initial weights, drawn on the host so that a seed gives the same weights on every device.

use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

/// Normally distributed numbers of the given variance.
pub(super) fn normal<const D: usize>(
    shape: [usize; D],
    variance: f64,
    rng: &mut StdRng,
    device: &Device,
) -> Tensor<D> {
    let deviation = variance.sqrt();
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            let draw: f64 = StandardNormal.sample(rng);
            (draw * deviation) as f32
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
