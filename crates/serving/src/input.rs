//! Converts what a front passes in into what a version's queue takes.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::{sync::Semaphore, time::timeout_at};

use super::{PredictError, Serving, deadline::Deadline};
use stillhouse_core::{shadow, version::Version};
use stillhouse_image::{self as image, ImageError, Input, Limits, Pixels};

/// Pictures of at most this many pixels and bytes are decoded on the request's own thread. A hand-over costs 54 µs of
/// processor time, a PNG of 256 × 256 about 120; a larger picture would keep the other requests on this thread waiting for
/// too long. Bytes count, too: of few pixels, what surrounds them can be megabytes.
const INLINE_PIXELS: u64 = 256 * 256;
const INLINE_BYTES: usize = 128 << 10;

/// One input, not yet decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum PredictInput {
    /// An encoded picture: PNG, JPEG or WebP.
    Picture(Bytes),
    /// A tensor as the network reads it, normalised by the client.
    Tensor {
        /// Outermost dimension first, without a batch dimension.
        shape: Vec<usize>,
        /// Row-major.
        values: Vec<f32>,
    },
}

/// A version's input, and the size of the picture: width and height in pixels, 0 for a tensor.
pub(super) type Decoded = (Input, (u32, u32));

impl PredictInput {
    /// How many pixels its header says; 0 for a tensor, and for what can't be decoded.
    fn pixels(&self) -> u64 {
        match self {
            Self::Picture(bytes) => image::probe(bytes).map_or(0, |header| header.pixels()),
            Self::Tensor { .. } => 0,
        }
    }

    /// The encoded picture; none for a tensor. Shares the bytes.
    pub(super) fn encoded(&self) -> Option<Bytes> {
        match self {
            Self::Picture(bytes) => Some(bytes.clone()),
            Self::Tensor { .. } => None,
        }
    }

    /// A hash: the same for equal inputs, and the one that shadows count failures by.
    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Picture(bytes) => shadow::hash(bytes),
            Self::Tensor { values, .. } => shadow::hash_numbers(values),
        }
    }
}

impl Serving {
    /// Whether a request's pictures together are few enough pixels. One picture has a limit of its own.
    ///
    /// # Errors
    /// [`PredictError::TooManyPixels`].
    pub(super) fn check_pixels(&self, inputs: &[PredictInput]) -> Result<(), PredictError> {
        if inputs.len() < 2 {
            return Ok(());
        }
        let limit = self.settings.max_pixels.max(self.limits.max_pixels);
        let of_one =
            |input: &PredictInput| Some(input.pixels()).filter(|p| *p <= self.limits.max_pixels);
        let pixels: u64 = inputs.iter().filter_map(of_one).sum();
        if pixels > limit {
            return Err(PredictError::TooManyPixels { pixels, limit });
        }
        Ok(())
    }

    /// The input as `version` reads it. Where a request has several, they take `turns`, and the deadline is looked at before
    /// each.
    ///
    /// # Errors
    /// The picture's error, the tensor's error, or the deadline passed before it was decoded.
    pub(super) async fn decode(
        &self,
        version: &Arc<Version>,
        input: PredictInput,
        deadline: Deadline,
        turns: Option<&Semaphore>,
    ) -> Result<Decoded, PredictError> {
        let bytes = match input {
            PredictInput::Picture(bytes) => bytes,
            PredictInput::Tensor { shape, values } => {
                return Ok((tensor(version, &shape, values)?, (0, 0)));
            }
        };
        let limits = self.limits.clone();
        let header = image::probe(&bytes)?;
        limits.check(&header)?;
        let is_small = header.pixels() <= INLINE_PIXELS && bytes.len() <= INLINE_BYTES;
        let mut turn = None;
        if let Some(turns) = turns {
            // Between two pictures, the thread's other requests get on.
            tokio::task::yield_now().await;
            deadline.check(Instant::now())?;
            if !is_small {
                let permit = timeout_at(deadline.instant().into(), turns.acquire()).await;
                turn = permit.map_err(|_| deadline.passed())?.ok();
            }
        }
        let (pixels, full_size) = if is_small {
            decode(&bytes, &limits, version)?
        } else {
            let (version, pixels) = (version.clone(), header.pixels());
            let work = move || decode(&bytes, &limits, &version);
            self.decoders.decode(deadline, pixels, work).await??
        };
        drop(turn);
        let input = Input::Pixels {
            pixels,
            normalization: version.normalization().clone(),
        };
        Ok((input, full_size))
    }
}

fn decode(
    bytes: &[u8],
    limits: &Limits,
    version: &Version,
) -> Result<(Pixels, (u32, u32)), ImageError> {
    let transform = &version.manifest.transform;
    let picture = image::decode(bytes, limits, transform)?;
    let full_size = picture.full_size();
    Ok((transform.apply(picture), full_size))
}

/// A tensor is passed on unchanged; its shape is flat or the network's own.
fn tensor(version: &Version, shape: &[usize], values: Vec<f32>) -> Result<Input, PredictError> {
    let expected = version.manifest.transform.tensor_shape();
    let flat = [expected.iter().product::<usize>()];
    // A single channel may be left out: [height, width] is how a gray picture is usually written.
    let squeezed: Vec<usize> = expected.iter().copied().filter(|&size| size != 1).collect();
    if shape != expected && shape != flat && shape != squeezed {
        return Err(PredictError::Shape {
            given: format!("{shape:?}"),
            expected: format!("{expected:?} or {flat:?}"),
        });
    }
    let is_byte = |value: f32| value.fract() == 0.0 && (0.0..=255.0).contains(&value);
    if version.reads_bytes()
        && let Some(index) = values
            .iter()
            .position(|value| value.is_finite() && !is_byte(*value))
    {
        let value = values[index];
        return Err(PredictError::NotAByte { index, value });
    }
    Ok(Input::numbers(values, flat[0])?)
}
