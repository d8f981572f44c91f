//! The interface of all teachers.

use anyhow::Result;
use stillhouse_image::Transform;

use crate::batches::Pixels;

/// A network that returns logits for pictures.
pub trait Teacher {
    /// Number of classes.
    fn classes(&self) -> usize;

    /// The transform from pictures to its input.
    fn transform(&self) -> &Transform;

    /// Logits of `pixels`, row-major `[pictures, classes]`.
    ///
    /// # Errors
    /// A network that fails to run.
    fn logits(&mut self, pixels: &Pixels) -> Result<Vec<f32>>;
}
