//! Converts what a front passes in into what a version's queue takes.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::{sync::Semaphore, time::timeout_at};

use super::{Account, PredictError, Serving, deadline::Deadline};
use stillhouse_core::{shadow, version::Version};
use stillhouse_image::{self as image, Header, ImageError, Input, Limits, Pixels, Transform};

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
}

/// What decoding one input takes.
pub(super) struct Decoding<'a> {
    pub(super) serving: &'a Serving,
    pub(super) version: &'a Arc<Version>,
    /// What the picture is charged to.
    pub(super) account: &'a Account,
    pub(super) deadline: Deadline,
    /// Where a request has several inputs, they take turns.
    pub(super) turns: Option<&'a Semaphore>,
}

impl Decoding<'_> {
    /// The input as the version reads it. The deadline is looked at before each of several.
    ///
    /// # Errors
    /// The picture's error, the tensor's error, the picture doesn't fit into the budget, or the deadline passed before it was
    /// decoded.
    pub(super) async fn run(self, input: PredictInput) -> Result<Decoded, PredictError> {
        let Self {
            version, deadline, ..
        } = self;
        let bytes = match input {
            PredictInput::Picture(bytes) => bytes,
            PredictInput::Tensor { shape, values } => {
                return Ok((tensor(version, &shape, values)?, (0, 0)));
            }
        };
        let limits = self.serving.limits.clone();
        let header = image::probe(&bytes)?;
        limits.check(&header)?;
        let is_small = header.pixels() <= INLINE_PIXELS && bytes.len() <= INLINE_BYTES;
        let mut turn = None;
        if let Some(turns) = self.turns {
            // Between two pictures, the thread's other requests get on.
            tokio::task::yield_now().await;
            deadline.check(Instant::now())?;
            if !is_small {
                let permit = timeout_at(deadline.instant().into(), turns.acquire()).await;
                turn = permit.map_err(|_| deadline.passed())?.ok();
            }
        }
        let (pixels, full_size) = if is_small {
            let transform = &version.manifest.transform;
            decode(&bytes, &header, &limits, transform, self.account)?
        } else {
            let (version, account) = (version.clone(), self.account.clone());
            // Charged once a thread is free, so that pictures that wait for one take nothing.
            let work = move || {
                let transform = &version.manifest.transform;
                decode(&bytes, &header, &limits, transform, &account)
            };
            self.serving.decoders.run(deadline, work).await??
        };
        drop(turn);
        let input = Input::Pixels {
            pixels,
            normalization: version.normalization().clone(),
        };
        Ok((input, full_size))
    }
}

/// Decodes a picture. Its memory is charged before it is allocated; what remains is charged for as long as anything holds it.
fn decode(
    bytes: &[u8],
    header: &Header,
    limits: &Limits,
    transform: &Transform,
    account: &Account,
) -> Result<(Pixels, (u32, u32)), PredictError> {
    let needed = image::working_bytes(bytes, header, limits, transform);
    let most = account.most() as u64;
    if needed > most {
        // No time is a good one: it is too large for this server.
        let pixels = u128::from(header.pixels()) * u128::from(most) / u128::from(needed);
        return Err(PredictError::from(ImageError::TooLarge {
            width: header.width,
            height: header.height,
            limit_pixels: pixels as u64,
            limit_side: limits.max_side,
        }));
    }
    let mut charge = account.charge(needed as usize)?;
    let picture = image::decode(bytes, limits, transform)?;
    let full_size = picture.full_size();
    let pixels = transform.apply(picture);
    charge.shrink(charge.bytes().saturating_sub(pixels.bytes().len()));
    Ok((pixels.kept_by(|bytes| charge.hold(bytes)), full_size))
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

#[cfg(test)]
mod tests {
    use stillhouse_image::Color;

    use super::*;
    use crate::Budget;

    const SIDE: u32 = 600;

    fn picture() -> Vec<u8> {
        let pixels = vec![7; 3 * SIDE as usize * SIDE as usize];
        stillhouse_test_support::png(SIDE, SIDE, png::ColorType::Rgb, &pixels)
    }

    fn decoded(account: &Account) -> Result<Pixels, PredictError> {
        let bytes = picture();
        let header = image::probe(&bytes)?;
        let transform = Transform::plain(Color::Rgb, 32, 32);
        let decoded = decode(&bytes, &header, &Limits::default(), &transform, account);
        decoded.map(|(pixels, _)| pixels)
    }

    #[test]
    fn c2_a_decoded_picture_is_charged_as_long_as_anything_holds_it() {
        let budget = Budget::new(8 << 20, 1);
        let pixels = decoded(&budget.account()).expect("it fits");
        assert_eq!(budget.used(), 32 * 32 * 3);
        let kept = pixels.clone();
        drop(pixels);
        assert_eq!((budget.used(), kept.bytes()[0]), (32 * 32 * 3, 7));
        drop(kept);
        assert_eq!(budget.used(), 0);
    }

    /// It takes 1.08 MB and a little more.
    #[test]
    fn c2_pictures_share_the_budget_of_everything_else() {
        let budget = Budget::new(4 << 20, 4);
        let other = budget.account();
        let bodies = [1_250_000, 900_000].map(|bytes| budget.account().charge(bytes));
        assert!(bodies.iter().all(Result::is_ok));
        let refused = decoded(&other).expect_err("half of what is left");
        assert!(
            matches!(refused, PredictError::BytesInFlight { .. }),
            "{refused}"
        );
        assert_eq!(budget.used(), 2_150_000);
        drop(bodies);
        decoded(&other).expect("now it fits");
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn c2_a_picture_that_never_fits_is_refused_for_good() {
        let account = Budget::new(1 << 20, 4).account();
        let refused = decoded(&account).expect_err("more than one connection's part");
        assert_eq!(
            refused.kind(),
            crate::ErrorKind::ImageTooManyPixels,
            "{refused}"
        );
    }
}
